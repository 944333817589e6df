; A file that the REPL loads.
%struct.point = type { i32, i32 }
@unit = global %struct.point { i32 3, i32 4 }
@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @constructor, ptr null }]
@is_started = global i32 0
@text = private constant [8 x i8] c"started\00"
declare i32 @puts(ptr)
define internal void @constructor() {
  store i32 1, ptr @is_started
  ret void
}
define double @area(double %x, double %y) {
  %a = fmul double %x, %y
  ret double %a
}
define i32 @start() {
  %r = call i32 @puts(ptr @text)
  %x = load i32, ptr @is_started
  ret i32 %x
}
define i32 @x_of(%struct.point %p) {
  %x = extractvalue %struct.point %p, 0
  ret i32 %x
}
