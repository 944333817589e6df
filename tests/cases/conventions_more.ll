; More calling conventions, each entered for the first time through its own, with as many
; arguments as it has registers: ghccc, tailcc, swifttailcc, vectorcall, anyregcc, cxx_fast_tlscc,
; intel_ocl_bicc, graalcc-like stack returns, fastcc with many results, nest, swiftasync.
declare i32 @printf(ptr, ...)
@fmt = private constant [5 x i8] c"%ld\0A\00"
@fmtd = private constant [4 x i8] c"%f\0A\00"
@out = internal global [24 x i64] zeroinitializer

; All of GHC's registers: a call in this convention is a jump that never comes back.
define ghccc void @ghc_first(i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f, i64 %g, i64 %h, i64 %i, float %x, double %y) noinline {
  %a1 = add i64 %a, 1
  musttail call ghccc void @ghc_second(i64 %a1, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f, i64 %g, i64 %h, i64 %i, float %x, double %y)
  ret void
}
define ghccc void @ghc_second(i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f, i64 %g, i64 %h, i64 %i, float %x, double %y) noinline {
  store i64 %a, ptr @out
  store i64 %b, ptr getelementptr (i64, ptr @out, i64 1)
  store i64 %c, ptr getelementptr (i64, ptr @out, i64 2)
  store i64 %d, ptr getelementptr (i64, ptr @out, i64 3)
  store i64 %e, ptr getelementptr (i64, ptr @out, i64 4)
  store i64 %f, ptr getelementptr (i64, ptr @out, i64 5)
  store i64 %g, ptr getelementptr (i64, ptr @out, i64 6)
  store i64 %h, ptr getelementptr (i64, ptr @out, i64 7)
  store i64 %i, ptr getelementptr (i64, ptr @out, i64 8)
  %xd = fpext float %x to double
  %s = fadd double %xd, %y
  %si = fptosi double %s to i64
  store i64 %si, ptr getelementptr (i64, ptr @out, i64 9)
  ret void
}
; The callee keeps nothing, so it is called from assembly that keeps everything.
define void @call_ghc() noinline {
  call void asm sideeffect "pushq %rbx\0Apushq %rbp\0Apushq %r12\0Apushq %r13\0Apushq %r14\0Apushq %r15\0Asubq $$8, %rsp\0Amovq $$1, %r13\0Amovq $$2, %rbp\0Amovq $$3, %r12\0Amovq $$4, %rbx\0Amovq $$5, %r14\0Amovq $$6, %rsi\0Amovq $$7, %rdi\0Amovq $$8, %r8\0Amovq $$9, %r9\0Amovss $1, %xmm1\0Amovsd $2, %xmm2\0Acall *$0\0Aaddq $$8, %rsp\0Apopq %r15\0Apopq %r14\0Apopq %r13\0Apopq %r12\0Apopq %rbp\0Apopq %rbx", "{rax},*m,*m,~{rcx},~{rdx},~{rsi},~{rdi},~{r8},~{r9},~{r10},~{r11},~{xmm0},~{xmm1},~{xmm2},~{xmm3},~{xmm4},~{xmm5},~{xmm6},~{memory},~{dirflag},~{fpsr},~{flags}"(ptr @ghc_first, ptr elementtype(float) @ten, ptr elementtype(double) @twenty)
  ret void
}
@ten = internal global float 10.0
@twenty = internal global double 20.0

define tailcc i64 @tail(i64 %n, i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f, i64 %g, i64 %h) noinline {
  %z = icmp eq i64 %n, 0
  br i1 %z, label %done, label %more
done:
  %s1 = add i64 %a, %g
  %s2 = mul i64 %s1, %h
  ret i64 %s2
more:
  %m = sub i64 %n, 1
  %a1 = add i64 %a, 1
  %r = tail call tailcc i64 @tail_fewer(i64 %m, i64 %a1)
  ret i64 %r
}
; Another number of stack arguments: the callee pops them.
define tailcc i64 @tail_fewer(i64 %n, i64 %a) noinline {
  %r = tail call tailcc i64 @tail(i64 %n, i64 %a, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8)
  ret i64 %r
}
define swifttailcc i64 @swifttail(i64 %n, i64 %acc, ptr swiftself %self, ptr swiftasync %context) noinline {
  %z = icmp eq i64 %n, 0
  br i1 %z, label %done, label %more
done:
  %v = load i64, ptr %self
  %w = load i64, ptr %context
  %s = add i64 %v, %w
  %t = add i64 %s, %acc
  ret i64 %t
more:
  %m = sub i64 %n, 1
  %a = add i64 %acc, %n
  %r = musttail call swifttailcc i64 @swifttail(i64 %m, i64 %a, ptr swiftself %self, ptr swiftasync %context)
  ret i64 %r
}
define x86_vectorcallcc double @vectorcall(i64 %a, double %b, <4 x float> inreg %c, double %d, double %e, double %f, double %g) noinline {
  %v = extractelement <4 x float> %c, i32 2
  %vd = fpext float %v to double
  %s1 = fadd double %b, %vd
  %s2 = fadd double %s1, %g
  %ad = sitofp i64 %a to double
  %s3 = fadd double %s2, %ad
  ret double %s3
}
define cxx_fast_tlscc ptr @fast_tls() noinline {
  %v = load i64, ptr @out
  %n = add i64 %v, 1
  store i64 %n, ptr @out
  ret ptr @out
}
define intel_ocl_bicc <8 x i32> @ocl(<8 x i32> %a, <8 x i32> %b) noinline {
  %r = sub <8 x i32> %a, %b
  ret <8 x i32> %r
}
define fastcc { i64, i64, i64, double } @many_results(i64 %a, double %d) noinline {
  %b = mul i64 %a, 2
  %c = mul i64 %a, 3
  %r0 = insertvalue { i64, i64, i64, double } poison, i64 %a, 0
  %r1 = insertvalue { i64, i64, i64, double } %r0, i64 %b, 1
  %r2 = insertvalue { i64, i64, i64, double } %r1, i64 %c, 2
  %r3 = insertvalue { i64, i64, i64, double } %r2, double %d, 3
  ret { i64, i64, i64, double } %r3
}
define i64 @nested(ptr nest %n, i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f, i64 %g, i8 signext %h) noinline {
  %v = load i64, ptr %n
  %h64 = sext i8 %h to i64
  %s1 = add i64 %v, %g
  %s2 = add i64 %s1, %h64
  ret i64 %s2
}
define preserve_nonecc i64 @none_tail(i64 %a, i64 %b, i64 %c, i64 %d, i64 %e, i64 %f, i64 %g, i64 %h, i64 %i, i64 %j, i64 %k, i64 %l) noinline {
  %z = icmp sgt i64 %a, 100
  br i1 %z, label %done, label %more
done:
  %s1 = add i64 %a, %l
  ret i64 %s1
more:
  %n = add i64 %a, %b
  %r = musttail call preserve_nonecc i64 @none_tail(i64 %n, i64 %c, i64 %d, i64 %e, i64 %f, i64 %g, i64 %h, i64 %i, i64 %j, i64 %k, i64 %l, i64 %b)
  ret i64 %r
}
define void @show(i64 %v) noinline {
  %p = call i32 (ptr, ...) @printf(ptr @fmt, i64 %v)
  ret void
}
define i32 @main() {
  call void @call_ghc()
  br label %loop
loop:
  %i = phi i64 [ 0, %0 ], [ %i1, %loop ]
  %at = getelementptr i64, ptr @out, i64 %i
  %v = load i64, ptr %at
  call void @show(i64 %v)
  %i1 = add i64 %i, 1
  %more = icmp slt i64 %i1, 10
  br i1 %more, label %loop, label %rest
rest:
  %t = call tailcc i64 @tail(i64 1000, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8)
  call void @show(i64 %t)
  %st = call swifttailcc i64 @swifttail(i64 1000, i64 0, ptr swiftself @out, ptr swiftasync getelementptr (i64, ptr @out, i64 3))
  call void @show(i64 %st)
  %vc = call x86_vectorcallcc double @vectorcall(i64 1, double 2.0, <4 x float> inreg <float 1.0, float 2.0, float 30.0, float 4.0>, double 4.0, double 5.0, double 6.0, double 700.0)
  %p = call i32 (ptr, ...) @printf(ptr @fmtd, double %vc)
  %ft = call cxx_fast_tlscc ptr @fast_tls()
  %ftv = load i64, ptr %ft
  call void @show(i64 %ftv)
  %o = call intel_ocl_bicc <8 x i32> @ocl(<8 x i32> <i32 10, i32 20, i32 30, i32 40, i32 50, i32 60, i32 70, i32 80>, <8 x i32> <i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7, i32 8>)
  %o7 = extractelement <8 x i32> %o, i32 7
  %o64 = zext i32 %o7 to i64
  call void @show(i64 %o64)
  %m = call fastcc { i64, i64, i64, double } @many_results(i64 5, double 2.5)
  %m2 = extractvalue { i64, i64, i64, double } %m, 2
  %m3 = extractvalue { i64, i64, i64, double } %m, 3
  call void @show(i64 %m2)
  %pm = call i32 (ptr, ...) @printf(ptr @fmtd, double %m3)
  %ne = call i64 @nested(ptr nest @out, i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 70, i8 signext -8)
  call void @show(i64 %ne)
  %nt = call preserve_nonecc i64 @none_tail(i64 1, i64 2, i64 3, i64 4, i64 5, i64 6, i64 7, i64 8, i64 9, i64 10, i64 11, i64 12)
  call void @show(i64 %nt)
  ret i32 0
}
