; Names with dots, spaces, quotes, unicode, dollar signs, leading digits, and names that look
; like the linker's or the engine's own.
; COMPILED: main main.1 _start_of_it
declare i32 @printf(ptr, ...)
@fmt = private constant [4 x i8] c"%d\0A\00"

@"a b" = global i32 1
@"quo\22te" = global i32 2
@"gr\C3\BC\C3\9Fe" = global i32 3
@"$dollar$" = internal global i32 4
@"1digit" = global i32 5
@"name.rewire.3" = global i32 6
@"x@y" = global i32 7
@"tab\09tab" = internal global i32 8

define i32 @main.1(i32 %x) noinline {
  %r = add i32 %x, 1
  ret i32 %r
}
define i32 @"f with space"(i32 %x) {
  %r = add i32 %x, 10
  ret i32 %r
}
define i32 @"f.slot"(i32 %x) {
  %r = add i32 %x, 100
  ret i32 %r
}
define i32 @"f"(i32 %x) {
  %r = add i32 %x, 1000
  ret i32 %r
}
define internal i32 @"\C3\A9t\C3\A9"(i32 %x) {
  %r = add i32 %x, 10000
  ret i32 %r
}
define i32 @_start_of_it(i32 %x) noinline {
  %r = add i32 %x, 100000
  ret i32 %r
}
define i32 @main() {
  %1 = load i32, ptr @"a b"
  %2 = load i32, ptr @"quo\22te"
  %3 = load i32, ptr @"gr\C3\BC\C3\9Fe"
  %4 = load i32, ptr @"$dollar$"
  %5 = load i32, ptr @"1digit"
  %6 = load i32, ptr @"name.rewire.3"
  %7 = load i32, ptr @"x@y"
  %8 = load i32, ptr @"tab\09tab"
  %s1 = add i32 %1, %2
  %s2 = add i32 %s1, %3
  %s3 = add i32 %s2, %4
  %s4 = add i32 %s3, %5
  %s5 = add i32 %s4, %6
  %s6 = add i32 %s5, %7
  %s7 = add i32 %s6, %8
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %s7)
  %a = call i32 @main.1(i32 0)
  %b = call i32 @"f with space"(i32 %a)
  %c = call i32 @"f.slot"(i32 %b)
  %d = call i32 @"f"(i32 %c)
  %e = call i32 @"\C3\A9t\C3\A9"(i32 %d)
  %g = call i32 @_start_of_it(i32 %e)
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %g)
  ret i32 0
}
