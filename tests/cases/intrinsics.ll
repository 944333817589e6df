; Intrinsics with immediate operands, overflow checks, saturation, bit counting, assumptions,
; lifetime marks, objectsize, and metadata operands.
declare i32 @printf(ptr, ...)
declare { i32, i1 } @llvm.sadd.with.overflow.i32(i32, i32)
declare { i64, i1 } @llvm.umul.with.overflow.i64(i64, i64)
declare i8 @llvm.uadd.sat.i8(i8, i8)
declare i32 @llvm.ctpop.i32(i32)
declare i32 @llvm.ctlz.i32(i32, i1)
declare i64 @llvm.bswap.i64(i64)
declare i32 @llvm.fshl.i32(i32, i32, i32)
declare i64 @llvm.objectsize.i64.p0(ptr, i1, i1, i1)
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
declare void @llvm.assume(i1)
declare void @llvm.lifetime.start.p0(ptr)
declare void @llvm.lifetime.end.p0(ptr)
declare i32 @llvm.expect.i32(i32, i32)
declare ptr @llvm.returnaddress(i32)
declare i32 @llvm.smax.i32(i32, i32)
declare i32 @llvm.vector.reduce.add.v4i32(<4 x i32>)
declare i32 @llvm.bitreverse.i32(i32)
@fmt = private constant [12 x i8] c"%ld %ld %d\0A\00"
@five = global i32 5
@wide = global i64 -1
@buffer = internal global [40 x i8] zeroinitializer

define i32 @main() {
  %five = load volatile i32, ptr @five
  %wide = load volatile i64, ptr @wide
  %s = call { i32, i1 } @llvm.sadd.with.overflow.i32(i32 2147483647, i32 %five)
  %so = extractvalue { i32, i1 } %s, 1
  %so32 = zext i1 %so to i32
  %m = call { i64, i1 } @llvm.umul.with.overflow.i64(i64 %wide, i64 3)
  %mv = extractvalue { i64, i1 } %m, 0
  %pc = call i32 @llvm.ctpop.i32(i32 %five)
  %pc64 = zext i32 %pc to i64
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt, i64 %mv, i64 %pc64, i32 %so32)
  %lz = call i32 @llvm.ctlz.i32(i32 %five, i1 true)
  %bs = call i64 @llvm.bswap.i64(i64 258)
  %f5 = trunc i32 %five to i8
  %sat = call i8 @llvm.uadd.sat.i8(i8 253, i8 %f5)
  %sat64 = zext i8 %sat to i64
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt, i64 %bs, i64 %sat64, i32 %lz)
  call void @llvm.prefetch.p0(ptr @buffer, i32 1, i32 3, i32 1)
  %sz = call i64 @llvm.objectsize.i64.p0(ptr @buffer, i1 false, i1 true, i1 false)
  %fs = call i32 @llvm.fshl.i32(i32 %five, i32 -1, i32 4)
  %c = icmp sgt i32 %five, 0
  call void @llvm.assume(i1 %c)
  %a = alloca i32
  call void @llvm.lifetime.start.p0(ptr %a)
  store i32 %fs, ptr %a
  %av = load i32, ptr %a
  call void @llvm.lifetime.end.p0(ptr %a)
  %e = call i32 @llvm.expect.i32(i32 %av, i32 7)
  %e64 = zext i32 %e to i64
  %mx = call i32 @llvm.smax.i32(i32 %five, i32 -3)
  %p2 = call i32 (ptr, ...) @printf(ptr @fmt, i64 %sz, i64 %e64, i32 %mx)
  %v0 = insertelement <4 x i32> <i32 1, i32 2, i32 3, i32 4>, i32 %five, i32 2
  %red = call i32 @llvm.vector.reduce.add.v4i32(<4 x i32> %v0)
  %br = call i32 @llvm.bitreverse.i32(i32 %five)
  %br64 = zext i32 %br to i64
  %ra = call ptr @llvm.returnaddress(i32 0)
  %raok = icmp ne ptr %ra, null
  %ra64 = zext i1 %raok to i64
  %p3 = call i32 (ptr, ...) @printf(ptr @fmt, i64 %br64, i64 %ra64, i32 %red), !mark !0
  ret i32 0
}
!0 = !{!"kept", i32 1}
