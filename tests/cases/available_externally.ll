; available_externally bodies and data are never linked: the real ones in the other file win.
; FILES: parts/available_externally_2.ll
declare i32 @printf(ptr, ...)
@fmt = private constant [10 x i8] c"%d %d %d\0A\00"
@value = available_externally constant i32 6
@kept = global ptr @body

define available_externally i32 @body(i32 %x) {
  %r = add i32 %x, 1
  ret i32 %r
}
define i32 @main() {
  %a = call i32 @body(i32 10)
  %b = load i32, ptr @value
  %f = load volatile ptr, ptr @kept
  %c = call i32 %f(i32 20)
  %p = call i32 (ptr, ...) @printf(ptr @fmt, i32 %a, i32 %b, i32 %c)
  ret i32 0
}
