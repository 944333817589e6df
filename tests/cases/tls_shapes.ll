; Thread-locals of all four models, in IR: initialised and zero, internal and external, with an
; address taken, an alias into one, in an array, beside a table of labels, weak, and with
; alignment; through llvm.threadlocal.address.
; FLAGS: -ftls-model=initial-exec
declare i32 @printf(ptr, ...)
@fmt = private constant [13 x i8] c"%d %d %d %d\0A\00"
@general = thread_local global i32 1
@local_dynamic = internal thread_local(localdynamic) global i32 2
@local_dynamic_zero = internal thread_local(localdynamic) global [10 x i32] zeroinitializer
@initial_exec = thread_local(initialexec) global i32 3
@local_exec = internal thread_local(localexec) global i32 4
@weak_one = weak thread_local global i32 5
@wide = thread_local global <8 x float> <float 1.0, float 2.0, float 3.0, float 4.0, float 5.0, float 6.0, float 7.0, float 8.0>, align 64
@array = internal thread_local global [4 x i32] [i32 6, i32 7, i32 8, i32 9]
@unset = hidden thread_local unnamed_addr global ptr null
@pointing = internal thread_local global ptr @plain
@plain = internal global i32 77
declare nonnull ptr @llvm.threadlocal.address.p0(ptr nonnull)

define i32 @read(ptr %p) noinline {
  %v = load i32, ptr %p
  ret i32 %v
}
define i32 @middle() noinline {
  %a = call ptr @llvm.threadlocal.address.p0(ptr @array)
  %at = getelementptr [4 x i32], ptr %a, i64 0, i64 2
  %v = load i32, ptr %at
  ret i32 %v
}
define i32 @main() {
  %g = call ptr @llvm.threadlocal.address.p0(ptr @general)
  %a = call i32 @read(ptr %g)
  %l = call ptr @llvm.threadlocal.address.p0(ptr @local_dynamic)
  %b = call i32 @read(ptr %l)
  %i = call ptr @llvm.threadlocal.address.p0(ptr @initial_exec)
  %c = call i32 @read(ptr %i)
  %e = call ptr @llvm.threadlocal.address.p0(ptr @local_exec)
  %d = call i32 @read(ptr %e)
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %a, i32 %b, i32 %c, i32 %d)
  %w = call ptr @llvm.threadlocal.address.p0(ptr @weak_one)
  %f = call i32 @read(ptr %w)
  %m = call i32 @middle()
  %z = call ptr @llvm.threadlocal.address.p0(ptr @local_dynamic_zero)
  %z9 = getelementptr [10 x i32], ptr %z, i64 0, i64 9
  %h = call i32 @read(ptr %z9)
  %v = call ptr @llvm.threadlocal.address.p0(ptr @wide)
  %vi = ptrtoint ptr %v to i64
  %low = and i64 %vi, 63
  %low32 = trunc i64 %low to i32
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %f, i32 %m, i32 %h, i32 %low32)
  %v8 = load <8 x float>, ptr %v
  %x = extractelement <8 x float> %v8, i32 7
  %xi = fptosi float %x to i32
  %u = call ptr @llvm.threadlocal.address.p0(ptr @unset)
  store ptr %g, ptr %u
  %up = load ptr, ptr @unset
  store i32 100, ptr %up
  %y = load i32, ptr @general
  %pp = load ptr, ptr @pointing
  %pv = load i32, ptr %pp
  %p2 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %xi, i32 %y, i32 %pv, i32 0)
  ret i32 0
}
