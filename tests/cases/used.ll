; llvm.used, llvm.compiler.used and llvm.global_ctors with a null entry, an associated datum, and
; a constructor written by hand.
@llvm.used = appending global [2 x ptr] [ptr @keep, ptr @kept_data], section "llvm.metadata"
@llvm.compiler.used = appending global [1 x ptr] [ptr @also], section "llvm.metadata"
@llvm.global_ctors = appending global [2 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @init, ptr null }, { i32, ptr, ptr } { i32 200, ptr @sooner, ptr @state }]
@state = global i32 1
@kept_data = internal global i32 3
@also = internal constant i32 4
@fmt = private constant [4 x i8] c"%d\0A\00"
declare i32 @printf(ptr, ...)

define internal void @keep() {
  ret void
}
define internal void @sooner() {
  %v = load i32, ptr @state
  %n = mul i32 %v, 10
  store i32 %n, ptr @state
  ret void
}
define internal void @init() {
  %v = load i32, ptr @state
  %n = add i32 %v, 5
  store i32 %n, ptr @state
  ret void
}
define i32 @main() {
  %v = load i32, ptr @state
  %p = call i32 (ptr, ...) @printf(ptr @fmt, i32 %v)
  ret i32 0
}
