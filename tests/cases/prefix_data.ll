; Prefix data is read in front of a function's address, prologue data is executed at its entry;
; both also for the address that a table holds.
declare i32 @printf(ptr, ...)
@fmt = private constant [10 x i8] c"%d %d %d\0A\00"
@table = constant [2 x ptr] [ptr @tagged, ptr @jumped]

define i32 @tagged(i32 %x) prefix i32 4711 {
  %r = add i32 %x, 1
  ret i32 %r
}
; "jmp .+2", then two bytes of data, as the language reference shows it.
define i32 @jumped(i32 %x) prologue <{ i8, i8, i8, i8 }> <{ i8 235, i8 2, i8 222, i8 173 }> {
  %r = add i32 %x, 2
  ret i32 %r
}
define i32 @tag(ptr %f) noinline {
  %at = getelementptr i32, ptr %f, i32 -1
  %v = load i32, ptr %at
  ret i32 %v
}
define i32 @main() {
  %a = call i32 @tag(ptr @tagged)
  %f = load ptr, ptr @table
  %b = call i32 @tag(ptr %f)
  %c = call i32 %f(i32 10)
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %a, i32 %b, i32 %c)
  %g = load ptr, ptr getelementptr ([2 x ptr], ptr @table, i64 0, i64 1)
  %d = call i32 %g(i32 20)
  %e = call i32 @jumped(i32 30)
  %h = call i32 @tag(ptr @tagged)
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %d, i32 %e, i32 %h)
  ret i32 0
}
