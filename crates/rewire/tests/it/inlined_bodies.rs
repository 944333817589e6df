//! Bodies that the optimiser inlines because that pays: what follows when they are replaced.

use rewire::{Engine, Level, OptLevel, Options};

use crate::support::Checked;

type Function = extern "C" fn(i32) -> i32;

/// A chain of four, the last of which many call. `apart` never inlines, and is never inlined.
const CHAIN: &str = "
    @calls = internal global i32 0
    define i32 @leaf(i32 %x) {
      %n = load i32, ptr @calls
      %m = add i32 %n, 1
      store i32 %m, ptr @calls
      %y = add i32 %x, 1
      ret i32 %y
    }
    define i32 @middle(i32 %x) {
      %y = call i32 @leaf(i32 %x)
      %z = mul i32 %y, 10
      ret i32 %z
    }
    define i32 @upper(i32 %x) {
      %y = call i32 @middle(i32 %x)
      ret i32 %y
    }
    define i32 @top(i32 %x) {
      %y = call i32 @upper(i32 %x)
      %z = add i32 %y, 1000
      ret i32 %z
    }
    define i32 @apart(i32 %x) noinline {
      %y = call i32 @leaf(i32 %x) noinline
      ret i32 %y
    }
    define i32 @unrelated(i32 %x) noinline {
      %y = sub i32 %x, 1
      ret i32 %y
    }
    define i32 @counted(i32 %x) noinline {
      %n = load i32, ptr @calls
      ret i32 %n
    }";

fn inliners(engine: &Engine, name: &str) -> Vec<String> {
    let state = engine.state(name).unwrap();
    let mut names: Vec<String> = state.inliners.iter().map(ToString::to_string).collect();
    names.sort();
    names
}

fn compiled(engine: &Engine) -> u64 {
    engine.report().functions_compiled
}

#[test]
fn copies_are_noted_through_any_depth_and_followed() {
    for level in [Level::O2, Level::O3] {
        let checked = Checked::with(level, CHAIN);
        let engine = &checked.engine;
        let top: Function = checked.function("top");
        assert_eq!(top(1), 1020);
        assert_eq!(compiled(engine), 1, "all of it is inlined");
        for name in ["leaf", "middle", "upper"] {
            assert_eq!(inliners(engine, name), ["top"], "{name}");
        }
        assert_eq!(engine.report().bodies_inlined, 3);
        let new = "define i32 @middle(i32 %x) {\n %y = mul i32 %x, 100\n ret i32 %y\n}";
        engine.replace("middle", new).unwrap();
        assert_eq!((top(1), top(2)), (1100, 1200));
        assert_eq!(inliners(engine, "leaf"), Vec::<String>::new());
        checked.verify();
    }
}

#[test]
fn only_what_holds_a_copy_is_compiled_again() {
    let checked = Checked::with(Level::O2, CHAIN);
    let engine = &checked.engine;
    let names = ["top", "upper", "middle", "apart", "unrelated", "counted"];
    let functions = names.map(|name| checked.function::<Function>(name));
    let call_all = || functions.map(|function| function(5));
    assert_eq!(call_all(), [1060, 60, 60, 6, 4, 4]);
    // The six, and `leaf` for the one that doesn't inline it.
    assert_eq!(compiled(engine), 7);
    assert_eq!(inliners(engine, "leaf"), ["middle", "top", "upper"]);
    assert_eq!(inliners(engine, "unrelated"), Vec::<String>::new());
    let upper = "define i32 @upper(i32 %x) {\n ret i32 %x\n}";
    engine.replace("upper", upper).unwrap();
    assert_eq!(compiled(engine), 8, "the new body");
    assert_eq!(call_all(), [1005, 5, 60, 6, 4, 6]);
    assert_eq!(compiled(engine), 9, "`top` besides");
    let unrelated = "define i32 @unrelated(i32 %x) {\n ret i32 %x\n}";
    engine.replace("unrelated", unrelated).unwrap();
    assert_eq!(call_all(), [1005, 5, 60, 6, 5, 8]);
    assert_eq!(compiled(engine), 10, "nobody holds a copy of it");
    checked.verify();
}

#[test]
fn copies_follow_transactions_undoing_and_removal() {
    let options = Options {
        level: OptLevel::Fixed(Level::O2),
        undo_depth: 4,
        ..Options::default()
    };
    let checked = Checked::with_options(options);
    let engine = &checked.engine;
    let unit = "define i32 @a(i32 %x) {\n %y = add i32 %x, 1\n ret i32 %y\n}
        define i32 @b(i32 %x) {\n %y = mul i32 %x, 2\n ret i32 %y\n}
        define i32 @both(i32 %x) {
          %y = call i32 @a(i32 %x)
          %z = call i32 @b(i32 %y)
          ret i32 %z
        }";
    engine.add_ir("unit", unit).unwrap();
    let both: Function = checked.function("both");
    assert_eq!(both(3), 8);
    assert_eq!(inliners(engine, "a"), ["both"]);
    let mut change = engine.main().change();
    let new_a = "define i32 @a(i32 %x) {\n %y = add i32 %x, 10\n ret i32 %y\n}";
    let new_b = "define i32 @b(i32 %x) {\n %y = mul i32 %x, 3\n ret i32 %y\n}";
    change.replace("a", new_a).replace("b", new_b);
    change.commit().unwrap();
    assert_eq!(both(3), 39);
    engine.undo().unwrap();
    assert_eq!(both(3), 8);
    let mut change = engine.main().change();
    change.remove("b").force();
    change.commit().unwrap();
    // SAFETY: the function takes a number.
    let called = unsafe { engine.main().call("both", &[rewire::Value::I32(3)]) };
    assert!(
        called
            .unwrap_err()
            .to_string()
            .contains("b is called and was removed")
    );
    engine.undo().unwrap();
    assert_eq!(both(3), 8);
    checked.verify();
}

#[test]
fn what_is_replaced_often_is_inlined_no_more() {
    let checked = Checked::with(Level::O2, CHAIN);
    let engine = &checked.engine;
    let top: Function = checked.function("top");
    assert_eq!(top(0), 1010);
    let mut stays = 0;
    for n in 1..8 {
        let new = format!(
            "define i32 @upper(i32 %x) {{\n %y = call i32 @inside(i32 %x)\n ret i32 %y\n}}
             define internal i32 @inside(i32 %x) {{\n %y = add i32 %x, {n}\n ret i32 %y\n}}"
        );
        engine.replace("upper", new.as_str()).unwrap();
        let before = compiled(engine);
        assert_eq!(top(0), 1000 + n);
        stays += u64::from(compiled(engine) == before);
    }
    assert!(stays >= 3, "{stays}");
    assert_eq!(inliners(engine, "upper"), Vec::<String>::new());
    checked.verify();
}

/// What an inlined body names must not make its callers fail.
#[test]
fn a_copy_that_cannot_be_linked_is_not_made() {
    let unit = "@nowhere = external global i32
        define i32 @broken(i32 %x) {
          %n = load i32, ptr @nowhere
          ret i32 %n
        }
        define i32 @outer(i32 %x) {
          %is = icmp eq i32 %x, 0
          br i1 %is, label %call, label %out
        call:
          %y = call i32 @broken(i32 %x)
          %z = mul i32 %y, 5
          ret i32 %z
        out:
          ret i32 7
        }";
    let checked = Checked::with(Level::O2, unit);
    let outer: Function = checked.function("outer");
    assert_eq!(outer(1), 7);
    // SAFETY: the function takes a number.
    let called = unsafe {
        checked
            .engine
            .main()
            .call("outer", &[rewire::Value::I32(0)])
    };
    assert!(called.unwrap_err().to_string().contains("nowhere"));
    assert_eq!(outer(2), 7);
}

/// Data that only bodies name which nothing inlined stays away.
#[test]
fn a_body_that_is_not_inlined_leaves_nothing_behind() {
    let body = "%p{n} = getelementptr [9 x i32], ptr @table, i32 0, i32 %x{m}
          %v{n} = load volatile i32, ptr %p{n}
          %x{n} = add i32 %v{n}, %x{m}\n";
    let lines: String = (1..40)
        .map(|n: u32| {
            let text = body.replace("{n}", &n.to_string());
            text.replace("{m}", &(n - 1).to_string())
        })
        .collect();
    let unit = format!(
        "@table = internal global [9 x i32] zeroinitializer
         define i32 @large(i32 %x0) {{\n{lines} ret i32 %x39\n}}
         define i32 @outer(i32 %x) {{
           %is = icmp eq i32 %x, 0
           br i1 %is, label %call, label %out
         call:
           %y = call i32 @large(i32 %x)
           ret i32 %y
         out:
           ret i32 7
         }}"
    );
    let checked = Checked::with(Level::O2, &unit);
    let outer: Function = checked.function("outer");
    assert_eq!(outer(1), 7);
    assert_eq!(inliners(&checked.engine, "large"), Vec::<String>::new());
    assert!(checked.engine.state("large").unwrap().address.is_none());
    assert_eq!(checked.engine.report().bodies_inlined, 0);
    assert_eq!(outer(0), 0);
    checked.verify();
}

/// An alias is a second name: who calls a function by it follows both names.
#[test]
fn a_copy_that_was_reached_by_an_alias_follows_both_names() {
    let unit = "@other = alias i32 (i32), ptr @real
        define i32 @real(i32 %x) {\n ret i32 1\n}
        define i32 @outer(i32 %x) {
          %y = call i32 @other(i32 %x)
          ret i32 %y
        }";
    for replaced in ["real", "other"] {
        let checked = Checked::with(Level::O2, unit);
        let outer: Function = checked.function("outer");
        assert_eq!(outer(0), 1);
        assert_eq!(inliners(&checked.engine, "real"), ["outer"]);
        let new = format!("define i32 @{replaced}(i32 %x) {{\n ret i32 2\n}}");
        checked.engine.replace(replaced, new.as_str()).unwrap();
        assert_eq!(outer(0), 2, "{replaced}");
        checked.verify();
    }
}

/// Threads compile callers while the callee is replaced: nobody keeps a copy of a former body.
#[test]
fn no_copy_of_a_former_body_is_published() {
    const CALLERS: i32 = 60;
    let mut unit = "define i32 @value(i32 %x) {\n ret i32 0\n}\n".to_owned();
    for n in 0..CALLERS {
        unit += &format!(
            "define i32 @caller{n}(i32 %x) {{\n %y = call i32 @value(i32 %x)\n ret i32 %y\n}}\n"
        );
    }
    let checked = Checked::without_records(Level::O2, 0);
    let engine = &checked.engine;
    engine.add_ir("unit", &unit).unwrap();
    let callers: Vec<Function> = (0..CALLERS)
        .map(|n| checked.function(&format!("caller{n}")))
        .collect();
    std::thread::scope(|scope| {
        for part in callers.chunks(20) {
            scope.spawn(move || part.iter().for_each(|caller| assert!(caller(0) < 4)));
        }
        for n in 1..4 {
            let new = format!("define i32 @value(i32 %x) {{\n ret i32 {n}\n}}");
            engine.replace("value", new.as_str()).unwrap();
        }
    });
    for caller in &callers {
        assert_eq!(caller(0), 3);
    }
}

/// A graph of functions of which random ones are replaced, compared with a model.
#[test]
fn random_graphs_follow_random_replacements() {
    const FUNCTIONS: usize = 24;
    for seed in 1..5 {
        let mut random = Random(seed);
        let mut model = Model::new(FUNCTIONS, &mut random);
        let checked = Checked::without_records(Level::O2, 0);
        let engine = &checked.engine;
        engine.add_ir("unit", model.text()).unwrap();
        let functions: Vec<Function> = (0..FUNCTIONS)
            .map(|n| checked.function(&format!("f{n}")))
            .collect();
        for step in 0..60 {
            let called = random.below(FUNCTIONS);
            let argument = random.below(1000) as i32;
            let expected = model.call(called, argument);
            assert_eq!(
                functions[called](argument),
                expected,
                "seed {seed}, step {step}"
            );
            if step % 2 == 0 {
                let mut changed: Vec<usize> =
                    (0..=step % 3).map(|_| random.below(FUNCTIONS)).collect();
                changed.sort_unstable();
                changed.dedup();
                let mut change = engine.main().change();
                for n in changed {
                    model.renew(n, &mut random);
                    let mut text = model.body(n);
                    for callee in &model.functions[n].callees {
                        text += &format!("declare i32 @f{callee}(i32)\n");
                    }
                    change.define(&format!("{step}.{n}"), text.as_str());
                }
                change.commit().unwrap();
            }
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % most
    }
}

#[derive(Clone)]
struct Body {
    addend: i32,
    factor: i32,
    callees: Vec<usize>,
}

/// What each function does: a sum of calls of functions with greater numbers.
struct Model {
    functions: Vec<Body>,
}

impl Model {
    fn new(count: usize, random: &mut Random) -> Self {
        let empty = Body {
            addend: 0,
            factor: 1,
            callees: Vec::new(),
        };
        let mut model = Self {
            functions: vec![empty; count],
        };
        for n in 0..count {
            model.renew(n, random);
        }
        model
    }

    fn renew(&mut self, n: usize, random: &mut Random) {
        let later = self.functions.len() - n - 1;
        let mut callees: Vec<usize> = Vec::new();
        for _ in 0..random.below(3).min(later) {
            callees.push(n + 1 + random.below(later.min(6)));
        }
        callees.sort_unstable();
        callees.dedup();
        self.functions[n] = Body {
            addend: random.below(100) as i32,
            factor: random.below(7) as i32,
            callees,
        };
    }

    fn call(&self, n: usize, argument: i32) -> i32 {
        let body = &self.functions[n];
        let own = argument.wrapping_mul(body.factor).wrapping_add(body.addend);
        let called = body.callees.iter();
        called.fold(own, |sum, callee| sum.wrapping_add(self.call(*callee, own)))
    }

    fn body(&self, n: usize) -> String {
        let body = &self.functions[n];
        let mut text = format!(
            "define i32 @f{n}(i32 %x) {{\n %m = mul i32 %x, {}\n %own = add i32 %m, {}\n",
            body.factor, body.addend
        );
        let mut sum = "%own".to_owned();
        for (place, callee) in body.callees.iter().enumerate() {
            text += &format!(
                " %r{place} = call i32 @f{callee}(i32 %own)\n %s{place} = add i32 {sum}, %r{place}\n"
            );
            sum = format!("%s{place}");
        }
        text + &format!(" ret i32 {sum}\n}}\n")
    }

    fn text(&self) -> String {
        (0..self.functions.len()).map(|n| self.body(n)).collect()
    }
}
