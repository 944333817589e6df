; Types beyond C's: half, x86_fp80, fp128, i128 and wider or odd integers, vectors up to
; 512 bits and of odd lengths and elements, as arguments, results, in memory and converted; these
; need functions of the compiler's library that no declaration names.
; LINK: m
declare i32 @printf(ptr, ...)
@fmt = private constant [10 x i8] c"%016lx%c\0A\00"
@fmtd = private constant [4 x i8] c"%f\0A\00"
@half = global half 1.5
@extended = global x86_fp80 0xK4000C000000000000000
@quad = global fp128 0xL00000000000000004000800000000000
@wide = global i128 340282366920938463463374607431768211455
@odd = global i77 123456789012345678901
@vector = global <16 x i32> <i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8, i32 9, i32 10, i32 11, i32 12, i32 13, i32 14, i32 15, i32 16>

define half @halves(half %a, half %b) noinline {
  %r = fmul half %a, %b
  ret half %r
}
define x86_fp80 @extendeds(x86_fp80 %a, i32 %n, x86_fp80 %b) noinline {
  %i = sitofp i32 %n to x86_fp80
  %s = fdiv x86_fp80 %a, %b
  %r = fsub x86_fp80 %s, %i
  ret x86_fp80 %r
}
define fp128 @quads(fp128 %a, fp128 %b) noinline {
  %s = fmul fp128 %a, %b
  %t = fadd fp128 %s, %a
  %c = fcmp olt fp128 %t, %b
  %r = select i1 %c, fp128 %a, fp128 %t
  ret fp128 %r
}
define i128 @wides(i64 %pad, i128 %a, i128 %b, i128 %c) noinline {
  %d = udiv i128 %a, %b
  %m = mul i128 %d, %c
  %r = urem i128 %m, %a
  ret i128 %r
}
define i77 @odds(i77 %a, i13 %b) noinline {
  %w = sext i13 %b to i77
  %m = mul i77 %a, %w
  %s = ashr i77 %m, 5
  ret i77 %s
}
define i256 @wider(i256 %a, i256 %b) noinline {
  %m = mul i256 %a, %b
  %s = lshr i256 %m, 100
  ret i256 %s
}
define <16 x i32> @vectors(<16 x i32> %a, <16 x i32> %b) noinline {
  %r = mul <16 x i32> %a, %b
  ret <16 x i32> %r
}
define <3 x double> @threes(<3 x double> %a, <3 x double> %b) noinline {
  %r = fadd <3 x double> %a, %b
  ret <3 x double> %r
}
define <8 x half> @half_vectors(<8 x half> %a) noinline {
  %r = fadd <8 x half> %a, %a
  ret <8 x half> %r
}
define <17 x i1> @masks(<17 x i1> %a, <17 x i1> %b) noinline {
  %r = xor <17 x i1> %a, %b
  ret <17 x i1> %r
}
define <2 x i128> @wide_vectors(<2 x i128> %a) noinline {
  %r = add <2 x i128> %a, <i128 1, i128 -1>
  ret <2 x i128> %r
}
define <4 x ptr> @pointers(<4 x ptr> %a) noinline {
  %r = shufflevector <4 x ptr> %a, <4 x ptr> poison, <4 x i32> <i32 3, i32 2, i32 1, i32 0>
  ret <4 x ptr> %r
}
define void @show(i64 %v) noinline {
  %p = call i32 (ptr, ...) @printf(ptr @fmt, i64 %v, i32 46)
  ret void
}
define i32 @main() {
  %h = load half, ptr @half
  %h1 = call half @halves(half %h, half 0xH4400)
  %hd = fpext half %h1 to double
  %p0 = call i32 (ptr, ...) @printf(ptr @fmtd, double %hd)
  %e = load x86_fp80, ptr @extended
  %e1 = call x86_fp80 @extendeds(x86_fp80 %e, i32 7, x86_fp80 0xK3FFF8000000000000000)
  %ed = fptrunc x86_fp80 %e1 to double
  %p2 = call i32 (ptr, ...) @printf(ptr @fmtd, double %ed)
  %q = load fp128, ptr @quad
  %q1 = call fp128 @quads(fp128 %q, fp128 %q)
  %qd = fptrunc fp128 %q1 to double
  %p3 = call i32 (ptr, ...) @printf(ptr @fmtd, double %qd)
  %qi = fptosi fp128 %q1 to i128
  %qi64 = trunc i128 %qi to i64
  call void @show(i64 %qi64)
  %w = load i128, ptr @wide
  %w1 = call i128 @wides(i64 0, i128 %w, i128 12345678901234567890123, i128 987654321)
  %w1l = trunc i128 %w1 to i64
  %w1s = lshr i128 %w1, 64
  %w1h = trunc i128 %w1s to i64
  call void @show(i64 %w1l)
  call void @show(i64 %w1h)
  %wf = uitofp i128 %w1 to double
  %p4 = call i32 (ptr, ...) @printf(ptr @fmtd, double %wf)
  %o = load i77, ptr @odd
  %o1 = call i77 @odds(i77 %o, i13 -3)
  %o64 = trunc i77 %o1 to i64
  call void @show(i64 %o64)
  %w128 = zext i128 %w to i256
  %x = call i256 @wider(i256 %w128, i256 %w128)
  %x64 = trunc i256 %x to i64
  call void @show(i64 %x64)
  %v = load <16 x i32>, ptr @vector
  %v1 = call <16 x i32> @vectors(<16 x i32> %v, <16 x i32> %v)
  %v15 = extractelement <16 x i32> %v1, i32 15
  %v64 = zext i32 %v15 to i64
  call void @show(i64 %v64)
  %t = call <3 x double> @threes(<3 x double> <double 1.0, double 2.0, double 3.0>, <3 x double> <double 0.5, double 0.25, double 0.125>)
  %t2 = extractelement <3 x double> %t, i32 2
  %p5 = call i32 (ptr, ...) @printf(ptr @fmtd, double %t2)
  %hv = call <8 x half> @half_vectors(<8 x half> <half 0xH3C00, half 0xH3C00, half 0xH3C00, half 0xH3C00, half 0xH3C00, half 0xH3C00, half 0xH3C00, half 0xH4000>)
  %hv7 = extractelement <8 x half> %hv, i32 7
  %hvd = fpext half %hv7 to double
  %p6 = call i32 (ptr, ...) @printf(ptr @fmtd, double %hvd)
  %mask = call <17 x i1> @masks(<17 x i1> splat (i1 true), <17 x i1> <i1 1, i1 0, i1 1, i1 0, i1 1, i1 0, i1 1, i1 0, i1 1, i1 0, i1 1, i1 0, i1 1, i1 0, i1 1, i1 0, i1 1>)
  %mi = bitcast <17 x i1> %mask to i17
  %m64 = zext i17 %mi to i64
  call void @show(i64 %m64)
  %wv = call <2 x i128> @wide_vectors(<2 x i128> <i128 -1, i128 0>)
  %wv1 = extractelement <2 x i128> %wv, i32 1
  %wv64 = trunc i128 %wv1 to i64
  call void @show(i64 %wv64)
  %pv = call <4 x ptr> @pointers(<4 x ptr> <ptr null, ptr inttoptr (i64 1 to ptr), ptr inttoptr (i64 2 to ptr), ptr inttoptr (i64 3 to ptr)>)
  %pv0 = extractelement <4 x ptr> %pv, i32 0
  %pi = ptrtoint ptr %pv0 to i64
  call void @show(i64 %pi)
  ret i32 0
}
