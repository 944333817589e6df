; `main` that returns nothing: the exit code is 0.
; NATIVE: no, the exit code of a native run would be what is left in the register
; STDOUT: void
@text = private constant [5 x i8] c"void\00"
declare i32 @puts(ptr)
define void @main() {
  %r = call i32 @puts(ptr @text)
  ret void
}
