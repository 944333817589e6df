; Aliases into the middle of a global, of an alias, of a thread-local, of a function, and an
; alias used as an initialiser.
declare i32 @printf(ptr, ...)
@fmt = private constant [13 x i8] c"%d %d %d %d\0A\00"

@numbers = internal global [4 x i32] [i32 1, i32 2, i32 3, i32 4]
@third = alias i32, getelementptr inbounds ([4 x i32], ptr @numbers, i64 0, i64 2)
@fourth = internal alias i32, getelementptr inbounds (i32, ptr @third, i64 1)
@points = global ptr @fourth
@local = internal thread_local global i32 70
@local_alias = thread_local alias i32, ptr @local
@function_alias = private alias i32 (i32), ptr @function
@table = internal constant [2 x ptr] [ptr @function_alias, ptr @function]

define internal i32 @function(i32 %x) {
  %v = load i32, ptr @third
  %r = add i32 %v, %x
  ret i32 %r
}

define i32 @main() {
  %a = load i32, ptr @third
  %b = load i32, ptr @fourth
  %p = load ptr, ptr @points
  store i32 40, ptr %p
  %c = load i32, ptr getelementptr inbounds ([4 x i32], ptr @numbers, i64 0, i64 3)
  %tl = call ptr @llvm.threadlocal.address.p0(ptr @local_alias)
  store i32 71, ptr %tl
  %tl2 = call ptr @llvm.threadlocal.address.p0(ptr @local)
  %d = load i32, ptr %tl2
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %a, i32 %b, i32 %c, i32 %d)
  %e = call i32 @function_alias(i32 100)
  %f0 = load ptr, ptr @table
  %f = call i32 %f0(i32 200)
  %f1 = load ptr, ptr getelementptr inbounds ([2 x ptr], ptr @table, i64 0, i64 1)
  %eq = icmp eq ptr %f0, %f1
  %g = zext i1 %eq to i32
  %h = call i32 @function(i32 300)
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %e, i32 %f, i32 %g, i32 %h)
  ret i32 0
}
declare ptr @llvm.threadlocal.address.p0(ptr)
