; frem, llvm.pow, llvm.memcpy of variable length, llvm.memmove, llvm.memset and powi: calls of
; libm, libc and libgcc that no declaration names.
; LINK: m
declare i32 @printf(ptr, ...)
declare double @llvm.powi.f64.i32(double, i32)
declare double @llvm.pow.f64(double, double)
declare double @llvm.sin.f64(double)
declare float @llvm.floor.f32(float)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
@fmt = private constant [22 x i8] c"%.6f %.6f %.6f %.6f \0A\00"
@str = private constant [4 x i8] c"%s\0A\00"
@seven = global double 7.5
@two = global double 2.0
@n = global i32 11
@len = global i64 6
@text = internal constant [12 x i8] c"hello world\00"
@buffer = internal global [300 x i8] zeroinitializer

define i32 @main() {
  %a = load volatile double, ptr @seven
  %b = load volatile double, ptr @two
  %i = load volatile i32, ptr @n
  %r = frem double %a, %b
  %p = call double @llvm.powi.f64.i32(double %b, i32 %i)
  %q = call double @llvm.pow.f64(double %a, double %b)
  %s = call double @llvm.sin.f64(double %a)
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt, double %r, double %p, double %q, double %s)
  %af = fptrunc double %a to float
  %fl = call float @llvm.floor.f32(float %af)
  %fld = fpext float %fl to double
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt, double %fld, double 0.0, double 0.0, double 0.0)
  %l = load volatile i64, ptr @len
  call void @llvm.memset.p0.i64(ptr @buffer, i8 46, i64 20, i1 false)
  %at = getelementptr i8, ptr @buffer, i64 3
  call void @llvm.memcpy.p0.p0.i64(ptr %at, ptr @text, i64 %l, i1 false)
  %at2 = getelementptr i8, ptr @buffer, i64 5
  call void @llvm.memmove.p0.p0.i64(ptr %at2, ptr %at, i64 %l, i1 false)
  %z = getelementptr i8, ptr @buffer, i64 14
  call void @llvm.memset.p0.i64(ptr %z, i8 0, i64 %l, i1 false)
  %p2 = call i32 (ptr, ...) @printf(ptr @str, ptr @buffer)
  ret i32 0
}
