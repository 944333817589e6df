; Statepoints of a garbage-collected function: their calls, with arguments and results, direct,
; indirect and invoked, go where calls go; values live across them are kept. The collector of this
; program moves nothing, so that a native build runs it.
; FLAGS: -fexceptions
; LINK: stdc++
declare i32 @printf(ptr, ...)
declare void @__cxa_throw(ptr, ptr, ptr)
declare ptr @__cxa_allocate_exception(i64)
declare ptr @__cxa_begin_catch(ptr)
declare void @__cxa_end_catch()
declare i32 @__gxx_personality_v0(...)
@_ZTIi = external constant ptr
@fmt = private constant [10 x i8] c"%d %d %d\0A\00"
@object = internal global [4 x i32] [i32 10, i32 20, i32 30, i32 40]
@target = global ptr @callee_two

declare token @llvm.experimental.gc.statepoint.p0(i64 immarg, i32 immarg, ptr, i32 immarg, i32 immarg, ...)
declare ptr addrspace(1) @llvm.experimental.gc.relocate.p1(token, i32 immarg, i32 immarg)
declare i32 @llvm.experimental.gc.result.i32(token)

define i32 @callee_one(i32 %a, i32 %b) noinline {
  %r = add i32 %a, %b
  ret i32 %r
}
define i32 @callee_two(i32 %a, i32 %b) noinline {
  %r = mul i32 %a, %b
  ret i32 %r
}
define void @throws(i32 %x) noinline {
  %e = call ptr @__cxa_allocate_exception(i64 4)
  store i32 %x, ptr %e
  call void @__cxa_throw(ptr %e, ptr @_ZTIi, ptr null)
  unreachable
}
define i32 @direct(ptr addrspace(1) %p, i32 %n) gc "statepoint-example" {
  %s = call token (i64, i32, ptr, i32, i32, ...) @llvm.experimental.gc.statepoint.p0(i64 1, i32 0, ptr elementtype(i32 (i32, i32)) @callee_one, i32 2, i32 0, i32 %n, i32 5, i32 0, i32 0) [ "gc-live"(ptr addrspace(1) %p) ]
  %r = call i32 @llvm.experimental.gc.result.i32(token %s)
  %q = call ptr addrspace(1) @llvm.experimental.gc.relocate.p1(token %s, i32 0, i32 0)
  %v = load i32, ptr addrspace(1) %q
  %t = add i32 %r, %v
  ret i32 %t
}
define i32 @indirect(ptr addrspace(1) %p, i32 %n) gc "statepoint-example" {
  %f = load ptr, ptr @target
  %s = call token (i64, i32, ptr, i32, i32, ...) @llvm.experimental.gc.statepoint.p0(i64 2, i32 0, ptr elementtype(i32 (i32, i32)) %f, i32 2, i32 0, i32 %n, i32 5, i32 0, i32 0) [ "gc-live"(ptr addrspace(1) %p) ]
  %r = call i32 @llvm.experimental.gc.result.i32(token %s)
  %q = call ptr addrspace(1) @llvm.experimental.gc.relocate.p1(token %s, i32 0, i32 0)
  %v = load i32, ptr addrspace(1) %q
  %t = add i32 %r, %v
  ret i32 %t
}
define i32 @invoked(ptr addrspace(1) %p, i32 %n) gc "statepoint-example" personality ptr @__gxx_personality_v0 {
  %s = invoke token (i64, i32, ptr, i32, i32, ...) @llvm.experimental.gc.statepoint.p0(i64 3, i32 0, ptr elementtype(void (i32)) @throws, i32 1, i32 0, i32 %n, i32 0, i32 0) [ "gc-live"(ptr addrspace(1) %p) ]
    to label %normal unwind label %pad
normal:
  ret i32 -1
pad:
  %l = landingpad token catch ptr @_ZTIi
  %q = call ptr addrspace(1) @llvm.experimental.gc.relocate.p1(token %l, i32 0, i32 0)
  %v = load i32, ptr addrspace(1) %q
  ret i32 %v
}
define i32 @recursive(ptr addrspace(1) %p, i32 %n) gc "statepoint-example" {
entry:
  %z = icmp eq i32 %n, 0
  br i1 %z, label %done, label %more
done:
  %v0 = load i32, ptr addrspace(1) %p
  ret i32 %v0
more:
  %m = sub i32 %n, 1
  %s = call token (i64, i32, ptr, i32, i32, ...) @llvm.experimental.gc.statepoint.p0(i64 4, i32 0, ptr elementtype(i32 (ptr addrspace(1), i32)) @recursive, i32 2, i32 0, ptr addrspace(1) %p, i32 %m, i32 0, i32 0) [ "gc-live"(ptr addrspace(1) %p), "deopt"(i32 %n, i32 7) ]
  %r = call i32 @llvm.experimental.gc.result.i32(token %s)
  %q = call ptr addrspace(1) @llvm.experimental.gc.relocate.p1(token %s, i32 0, i32 0)
  %v = load i32, ptr addrspace(1) %q
  %t = add i32 %r, %v
  ret i32 %t
}
define i32 @main() {
  %p = addrspacecast ptr @object to ptr addrspace(1)
  %a = call i32 @direct(ptr addrspace(1) %p, i32 1)
  %b = call i32 @indirect(ptr addrspace(1) %p, i32 3)
  %c = call i32 @recursive(ptr addrspace(1) %p, i32 20)
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %a, i32 %b, i32 %c)
  %d = call i32 @invoked(ptr addrspace(1) %p, i32 3)
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %d, i32 0, i32 0)
  ret i32 0
}
