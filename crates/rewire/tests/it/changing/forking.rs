//! Parent and child of a fork have the same code at the same addresses, and change it each for
//! itself.

use super::{Plain, add, function, in_each_case, on_fresh_thread, reclaim_all};

fn body(value: i32) -> String {
    format!("define i32 @f() {{\n ret i32 {value}\n}}")
}

struct Pipe([libc::c_int; 2]);

impl Pipe {
    fn new() -> Self {
        let mut ends = [0; 2];
        // SAFETY: there is room for two descriptors.
        assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
        Self(ends)
    }

    fn tell(&self) -> bool {
        // SAFETY: one byte.
        unsafe { libc::write(self.0[1], [0u8].as_ptr().cast(), 1) == 1 }
    }

    fn wait(&self) -> bool {
        // SAFETY: one byte.
        unsafe { libc::read(self.0[0], [0u8].as_mut_ptr().cast(), 1) == 1 }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        for end in self.0 {
            // SAFETY: it is ours.
            unsafe { libc::close(end) };
        }
    }
}

/// A child keeps what its parent replaces and gives back, makes its own in the same places, and
/// forks in its turn.
#[test]
fn parent_and_child_replace_each_their_own() {
    in_each_case(|case| {
        let engine = case.engine();
        add(&engine, &body(1));
        let f = function::<Plain>(&engine, "f");
        assert_eq!(f(), 1);
        let [parent_is_done, child_is_done] = [Pipe::new(), Pipe::new()];
        // SAFETY: this process has no other thread that matters; the child ends by `_exit`.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            let mut holds = parent_is_done.wait() && f() == 1;
            for value in 2000..2100 {
                engine.replace("f", body(value).as_bytes()).unwrap();
                holds &= f() == value;
            }
            holds &= child_is_done.tell() && parent_is_done.wait() && f() == 2099;
            // SAFETY: as above.
            unsafe {
                let grandchild = libc::fork();
                if grandchild == 0 {
                    engine.replace("f", body(5).as_bytes()).unwrap();
                    libc::_exit(i32::from(f() != 5));
                }
                let mut status = 1;
                libc::waitpid(grandchild, &raw mut status, 0);
                libc::_exit(i32::from(!holds || status != 0 || f() != 2099));
            }
        }
        for value in 1000..1300 {
            engine.replace("f", body(value).as_bytes()).unwrap();
            assert_eq!(f(), value);
            if value % 50 == 0 {
                on_fresh_thread(|| reclaim_all(&engine));
            }
        }
        assert!(parent_is_done.tell() && child_is_done.wait());
        assert_eq!(f(), 1299);
        engine.replace("f", body(3).as_bytes()).unwrap();
        assert!(parent_is_done.tell());
        assert_eq!(f(), 3);
        let mut status = 1;
        // SAFETY: the child is ours.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0, "the child's code changed");
    });
}
