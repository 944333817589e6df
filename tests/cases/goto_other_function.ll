; blockaddress of another function: in a global's initialiser, and as an operand elsewhere. It is
; compared, and handed to the function that jumps to it.
declare i32 @printf(ptr, ...)
@fmt = private constant [13 x i8] c"%d %d %d %d\0A\00"
@table = internal constant [2 x ptr] [ptr blockaddress(@jumper, %one), ptr blockaddress(@jumper, %two)]

define i32 @jumper(ptr %where) noinline {
entry:
  indirectbr ptr %where, [label %one, label %two]
one:
  ret i32 1
two:
  ret i32 2
}

define ptr @where_is_two() noinline {
  ret ptr blockaddress(@jumper, %two)
}

define i32 @main() {
  %p1 = load ptr, ptr @table
  %a = call i32 @jumper(ptr %p1)
  %p2 = load ptr, ptr getelementptr inbounds ([2 x ptr], ptr @table, i64 0, i64 1)
  %b = call i32 @jumper(ptr %p2)
  %p3 = call ptr @where_is_two()
  %c = call i32 @jumper(ptr %p3)
  %same = icmp eq ptr %p2, %p3
  %d = zext i1 %same to i32
  %r = call i32 (ptr, ...) @printf(ptr @fmt, i32 %a, i32 %b, i32 %c, i32 %d)
  ret i32 0
}
