; alwaysinline functions that call one another, one of them with an internal global, one that
; needs an immediate operand to be constant after inlining, one in another linkage.
declare i32 @printf(ptr, ...)
declare void @llvm.prefetch.p0(ptr, i32 immarg, i32 immarg, i32 immarg)
@fmt = private constant [7 x i8] c"%d %d\0A\00"
@state = internal global i32 1

define internal i32 @inner(i32 %x) alwaysinline {
  %v = load i32, ptr @state
  %n = add i32 %v, %x
  store i32 %n, ptr @state
  ret i32 %n
}
define linkonce_odr i32 @middle(i32 %x) alwaysinline {
  %a = call i32 @inner(i32 %x)
  %b = call i32 @inner(i32 %a)
  ret i32 %b
}
define i32 @user(i32 %x) {
  %a = call i32 @middle(i32 %x)
  ret i32 %a
}
define i32 @main() {
  %a = call i32 @user(i32 5)
  %b = call i32 @middle(i32 7)
  %p = call i32 (ptr, ...) @printf(ptr @fmt, i32 %a, i32 %b)
  ret i32 0
}
