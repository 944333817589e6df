; What code generation doesn't know and passes lower at every level: matrices, guards with a
; deoptimisation, widenable conditions, type tests of virtual tables.
; NATIVE: no, without passes LLVM's code generator has no code for some of these
; STDOUT: 19 22 43 50
; STDOUT: 7 1 0
; STDOUT: 77 -5 0
declare i32 @printf(ptr, ...)
@fmt4 = private constant [13 x i8] c"%d %d %d %d\0A\00"
@fmt3 = private constant [10 x i8] c"%d %d %d\0A\00"
declare <4 x i32> @llvm.matrix.multiply.v4i32.v4i32.v4i32(<4 x i32>, <4 x i32>, i32 immarg, i32 immarg, i32 immarg)
declare <4 x i32> @llvm.matrix.transpose.v4i32(<4 x i32>, i32 immarg, i32 immarg)
declare void @llvm.experimental.guard(i1, ...)
declare i32 @llvm.experimental.deoptimize.i32(...)
declare i1 @llvm.experimental.widenable.condition()
declare i1 @llvm.type.test(ptr, metadata)
declare void @llvm.assume(i1)

@vtable = internal constant [1 x ptr] [ptr @method], !type !0

define i32 @method() {
  ret i32 1
}
; A guard that fails calls this, which does not return to its caller.
declare void @exit(i32)
@seen = global i32 0
define void @__llvm_deoptimize() {
  %v = load i32, ptr @seen
  %p = call i32 (ptr, ...) @printf(ptr @fmt3, i32 %v, i32 -5, i32 0)
  call void @exit(i32 0)
  unreachable
}
define <4 x i32> @product(<4 x i32> %a, <4 x i32> %b) {
  %at = call <4 x i32> @llvm.matrix.transpose.v4i32(<4 x i32> %a, i32 2, i32 2)
  %bt = call <4 x i32> @llvm.matrix.transpose.v4i32(<4 x i32> %b, i32 2, i32 2)
  %p = call <4 x i32> @llvm.matrix.multiply.v4i32.v4i32.v4i32(<4 x i32> %at, <4 x i32> %bt, i32 2, i32 2, i32 2)
  %r = call <4 x i32> @llvm.matrix.transpose.v4i32(<4 x i32> %p, i32 2, i32 2)
  ret <4 x i32> %r
}
define i32 @guarded(i32 %x) {
  store i32 %x, ptr @seen
  %c = icmp slt i32 %x, 10
  call void (i1, ...) @llvm.experimental.guard(i1 %c) [ "deopt"(i32 %x) ]
  ret i32 %x
}
define i32 @virtual_call(ptr %table) {
  %t = call i1 @llvm.type.test(ptr %table, metadata !"kind")
  call void @llvm.assume(i1 %t)
  %w = call i1 @llvm.experimental.widenable.condition()
  br i1 %w, label %go, label %never
go:
  %f = load ptr, ptr %table
  %r = call i32 %f()
  ret i32 %r
never:
  ret i32 -1
}
define i32 @main() {
  %p = call <4 x i32> @product(<4 x i32> <i32 1, i32 2, i32 3, i32 4>, <4 x i32> <i32 5, i32 6, i32 7, i32 8>)
  %1 = extractelement <4 x i32> %p, i32 0
  %2 = extractelement <4 x i32> %p, i32 1
  %3 = extractelement <4 x i32> %p, i32 2
  %4 = extractelement <4 x i32> %p, i32 3
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt4, i32 %1, i32 %2, i32 %3, i32 %4)
  %a = call i32 @guarded(i32 7)
  %b = call i32 @virtual_call(ptr @vtable)
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt3, i32 %a, i32 %b, i32 0)
  %c = call i32 @guarded(i32 77)
  ret i32 1
}
!0 = !{i64 0, !"kind"}
