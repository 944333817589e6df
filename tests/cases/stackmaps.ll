; Stack maps and patch points: their records are kept apart from the code, the bytes that are
; reserved for patching are run as they are, and a patch point's call reaches its target.
declare i32 @printf(ptr, ...)
declare void @llvm.experimental.stackmap(i64, i32, ...)
declare i64 @llvm.experimental.patchpoint.i64(i64, i32, ptr, i32, ...)
declare void @llvm.experimental.patchpoint.void(i64, i32, ptr, i32, ...)
@fmt = private constant [5 x i8] c"%ld\0A\00"

define i64 @target(i64 %a, i64 %b) noinline {
  %r = sub i64 %a, %b
  ret i64 %r
}
define i64 @mapped(i64 %a, i64 %b, double %c) noinline {
  %local = alloca i64
  store i64 %a, ptr %local
  call void (i64, i32, ...) @llvm.experimental.stackmap(i64 1, i32 8, i64 %a, i64 %b, ptr %local, double %c, i32 12)
  %r = call i64 (i64, i32, ptr, i32, ...) @llvm.experimental.patchpoint.i64(i64 2, i32 15, ptr @target, i32 2, i64 %a, i64 %b, i64 %b)
  call void (i64, i32, ptr, i32, ...) @llvm.experimental.patchpoint.void(i64 3, i32 12, ptr null, i32 0, i64 %r)
  %v = load i64, ptr %local
  %s = add i64 %r, %v
  ret i64 %s
}
define i64 @guarded(ptr %p) noinline {
  %z = icmp eq ptr %p, null
  br i1 %z, label %none, label %some, !make.implicit !0
none:
  ret i64 -1
some:
  %v = load i64, ptr %p
  ret i64 %v
}
define i32 @main() {
  %a = call i64 @mapped(i64 100, i64 1, double 2.0)
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt, i64 %a)
  %b = call i64 @mapped(i64 7, i64 3, double 4.0)
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt, i64 %b)
  %l = alloca i64
  store i64 5, ptr %l
  %c = call i64 @guarded(ptr %l)
  %d = call i64 @guarded(ptr null)
  %e = add i64 %c, %d
  %p2 = call i32 (ptr, ...) @printf(ptr @fmt, i64 %e)
  ret i32 0
}
!0 = !{}
