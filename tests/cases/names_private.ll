; Private and unnamed globals and functions; the printed strings have private names or none.
declare i32 @printf(ptr, ...)

@0 = private constant [10 x i8] c"zero %d\0A\00\00"
@1 = internal global i32 7
@.str = private unnamed_addr constant [9 x i8] c"str %d\0A\00\00"
@.str.1 = private unnamed_addr constant [8 x i8] c"one %d\0A\00"

define private i32 @secret(i32 %x) {
  %r = mul i32 %x, 3
  ret i32 %r
}

define internal i32 @2(i32 %x) {
  %v = load i32, ptr @1
  %n = add i32 %v, %x
  store i32 %n, ptr @1
  ret i32 %n
}

define i32 @main() {
  %a = call i32 @2(i32 5)
  %b = call i32 @secret(i32 %a)
  %p0 = call i32 (ptr, ...) @printf(ptr @0, i32 %a)
  %p1 = call i32 (ptr, ...) @printf(ptr @.str, i32 %b)
  %c = call i32 @2(i32 1)
  %p2 = call i32 (ptr, ...) @printf(ptr @.str.1, i32 %c)
  ret i32 0
}
