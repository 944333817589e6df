//! Units that closures and resolvers bring: the client knows them, and they leave as others do.

use rewire::{Answer, Engine, Request, UnitId};

use crate::changing::{
    CALLER, Plain, add, at_each_level, function, in_each_case, is_all_freed, returns, undo_all,
};

fn unit_of(engine: &Engine, name: &str) -> UnitId {
    let known = engine.main().descriptor(name).unwrap();
    let id = known.unit_id.unwrap();
    assert_eq!(engine.main().state(name).unwrap().unit_id, Some(id));
    assert!(engine.units().iter().any(|unit| unit.id == id));
    id
}

fn lazily(engine: &Engine, name: &'static str, value: i32) {
    let ir = returns(name, value);
    let made = engine
        .main()
        .define_lazily(name, move || Ok(ir.clone().into()));
    made.unwrap();
}

#[test]
fn a_closures_unit_goes_with_what_it_defines() {
    at_each_level(|engine| {
        let other = add(&engine, CALLER);
        lazily(&engine, "f", 4);
        assert_eq!(engine.main().descriptor("f").unwrap().unit_id, None);
        assert_eq!(function::<Plain>(&engine, "g")(), 4);
        unit_of(&engine, "f");
        // By its name, by its number, and by another definition.
        let mut change = engine.main().change();
        change.remove("f").force();
        change.commit().unwrap();
        assert_eq!(engine.units().len(), 1);
        lazily(&engine, "f", 5);
        assert_eq!(function::<Plain>(&engine, "g")(), 5);
        let mut change = engine.main().change();
        change.remove_unit(unit_of(&engine, "f")).force();
        change.commit().unwrap();
        assert_eq!(engine.units().len(), 1);
        lazily(&engine, "f", 6);
        assert_eq!(function::<Plain>(&engine, "g")(), 6);
        let unit = unit_of(&engine, "f");
        engine.replace("f", returns("f", 7).as_bytes()).unwrap();
        assert_eq!(function::<Plain>(&engine, "g")(), 7);
        assert!(engine.units().iter().all(|one| one.id != unit));
        while engine.undo().is_ok() {}
        assert_eq!(function::<Plain>(&engine, "g")(), 4);
        engine.remove_unit(other).unwrap();
    });
}

#[test]
fn many_closures_units_come_and_go() {
    in_each_case(|case| {
        let engine = case.engine();
        for value in 0..300 {
            lazily(&engine, "f", value);
            assert_eq!(function::<Plain>(&engine, "f")(), value);
            let mut change = engine.main().change();
            change.remove("f");
            change.commit().unwrap();
            assert!(engine.units().is_empty());
        }
        undo_all(&engine);
        if !case.undoes() {
            is_all_freed(&engine);
        }
    });
}

#[test]
fn a_resolvers_unit_stays_as_long_as_something_of_it_is_in_force() {
    at_each_level(|engine| {
        engine.main().resolve_with(|request: &Request<'_>| {
            (request.name == "f").then(|| Answer::Ir {
                name: "answer".to_owned(),
                bytes: (returns("f", 1) + &returns("beside", 2)).into(),
            })
        });
        let caller = add(&engine, CALLER);
        assert_eq!(function::<Plain>(&engine, "g")(), 1);
        let unit = unit_of(&engine, "f");
        assert_eq!(unit_of(&engine, "beside"), unit);
        engine.remove_unit(caller).unwrap();
        let mut change = engine.main().change();
        change.remove("f");
        change.commit().unwrap();
        assert_eq!(function::<Plain>(&engine, "beside")(), 2);
        let mut change = engine.main().change();
        change.remove("beside");
        change.commit().unwrap();
        assert!(engine.units().is_empty());
        assert!(engine.remove_unit(unit).is_err());
        // It is asked again.
        add(&engine, CALLER);
        assert_eq!(function::<Plain>(&engine, "g")(), 1);
    });
}

#[test]
fn what_assembly_a_resolver_brings_stays_until_its_unit_is_removed() {
    at_each_level(|engine| {
        engine.main().resolve_with(|request: &Request<'_>| {
            let ir = "module asm \".globl nine\"
                module asm \"nine: movl $9, %eax\"
                module asm \"ret\"
                define i32 @f() {
                  %x = call i32 @nine()
                  ret i32 %x
                }
                declare i32 @nine()\n";
            (request.name == "f").then(|| Answer::Ir {
                name: "answer".to_owned(),
                bytes: ir.into(),
            })
        });
        let caller = add(&engine, CALLER);
        assert_eq!(function::<Plain>(&engine, "g")(), 9);
        let unit = unit_of(&engine, "f");
        engine.replace("f", returns("f", 3).as_bytes()).unwrap();
        assert_eq!(function::<Plain>(&engine, "nine")(), 9);
        let mut change = engine.main().change();
        change.remove_unit(caller).remove_unit(unit);
        change.commit().unwrap();
        assert!(engine.lookup("nine").is_err());
        while engine.undo().is_ok() {}
        assert_eq!(function::<Plain>(&engine, "f")(), 9);
    });
}
