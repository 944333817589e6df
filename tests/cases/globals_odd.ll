; What globals may say about themselves and must not disturb anybody: sections of functions and
; variables, partitions, !associated, code models, externally_initialized, sanitizer marks,
; unnamed_addr, alignment beyond a page, protected and hidden visibility, dso_local of both kinds,
; dso_local_equivalent, no_cfi, embedded bitcode, and unused aliases and COMDATs.
declare i32 @printf(ptr, ...)
@fmt = private unnamed_addr constant [13 x i8] c"%d %d %d %d\0A\00"

$unused = comdat any
@llvm.embedded.module = private constant [4 x i8] c"BC\C0\DE", section ".llvmbc", align 1
@llvm.cmdline = private constant [3 x i8] c"-g\00", section ".llvmcmd", align 1
@llvm.compiler.used = appending global [2 x ptr] [ptr @llvm.embedded.module, ptr @llvm.cmdline], section "llvm.metadata"

@sectioned = global i32 1, section ".data.mine"
@read_only = constant i32 2, section ".rodata.mine"
@large = global [100000 x i32] zeroinitializer, code_model "large"
@large_section = global i32 3, section ".ldata.x"
@tiny = global i32 4, code_model "tiny"
@outside = externally_initialized global i32 5
@pages = global i32 6, align 8192
@guarded = global i32 7, no_sanitize_address, no_sanitize_hwaddress
@parted = global i32 8, partition "other"
@described = internal global i32 9
@description = internal constant ptr @described, section "descriptions", !associated !0
@protected = protected global i32 10
@hidden = hidden global i32 11
@preemptable = dso_preemptable global i32 12
@custom_bss = internal global i32 0, section ".bss.custom"
@merged = private unnamed_addr constant [4 x i8] c"abc\00", section ".rodata.str1.1", align 1
@relative = internal constant i32 trunc (i64 sub (i64 ptrtoint (ptr dso_local_equivalent @far to i64), i64 ptrtoint (ptr @relative to i64)) to i32)
@relative_data = internal constant [2 x i32] [i32 trunc (i64 sub (i64 ptrtoint (ptr @sectioned to i64), i64 ptrtoint (ptr @relative_data to i64)) to i32), i32 trunc (i64 sub (i64 ptrtoint (ptr @hidden to i64), i64 ptrtoint (ptr getelementptr ([2 x i32], ptr @relative_data, i64 0, i64 1) to i64)) to i32)]
@unchecked = constant ptr no_cfi @in_section

define i32 @in_section(i32 %x) section ".text.hot." {
  %r = add i32 %x, 1
  ret i32 %r
}
define i32 @in_own(i32 %x) section "mycode" partition "other" align 64 {
  %r = add i32 %x, 2
  ret i32 %r
}
define protected i32 @far(i32 %x) unnamed_addr {
  %r = add i32 %x, 3
  ret i32 %r
}
define hidden i32 @padded(i32 %x) "patchable-function-entry"="3" {
  %r = add i32 %x, 4
  ret i32 %r
}
define linkonce_odr i32 @unused() comdat {
  ret i32 0
}
define i32 @stacky(i32 %x) "probe-stack"="inline-asm" "stack-probe-size"="4096" ssp sspstrong {
  %a = alloca [20000 x i8]
  %at = getelementptr [20000 x i8], ptr %a, i64 0, i32 %x
  store volatile i8 5, ptr %at
  %v = load volatile i8, ptr %at
  %r = zext i8 %v to i32
  ret i32 %r
}
define i32 @dynamic(i32 %n) "no-stack-arg-probe" alignstack(64) {
  %a = alloca i32, i32 %n, align 128
  %i = ptrtoint ptr %a to i64
  %m = and i64 %i, 127
  %m32 = trunc i64 %m to i32
  ret i32 %m32
}
define i32 @naked(i32 %x) naked noinline {
  call void asm sideeffect "leal 9(%rdi), %eax\0Aret", ""()
  unreachable
}
define internal i32 @relative_call(i32 %x) noinline {
  %o = load i32, ptr @relative
  %f = call ptr @llvm.load.relative.i32(ptr @relative, i32 0)
  %r = call i32 %f(i32 %x)
  ret i32 %r
}
declare ptr @llvm.load.relative.i32(ptr, i32)

define i32 @main() {
  %1 = load i32, ptr @sectioned
  %2 = load i32, ptr @read_only
  %3 = load i32, ptr getelementptr ([100000 x i32], ptr @large, i64 0, i64 99999)
  %4 = load i32, ptr @large_section
  %p0 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %1, i32 %2, i32 %3, i32 %4)
  %5 = load i32, ptr @tiny
  %6 = load i32, ptr @outside
  %7 = load i32, ptr @pages
  %8 = load i32, ptr @guarded
  %p1 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %5, i32 %6, i32 %7, i32 %8)
  %9 = load i32, ptr @parted
  %d = load ptr, ptr @description
  %10 = load i32, ptr %d
  %11 = load i32, ptr @protected
  %12 = load i32, ptr @hidden
  %p2 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %9, i32 %10, i32 %11, i32 %12)
  %13 = load i32, ptr @preemptable
  store i32 13, ptr @custom_bss
  %14 = load i32, ptr @custom_bss
  %c15 = load i8, ptr getelementptr ([4 x i8], ptr @merged, i64 0, i64 2)
  %15 = zext i8 %c15 to i32
  %16 = call i32 @relative_call(i32 10)
  %p3 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %13, i32 %14, i32 %15, i32 %16)
  %17 = call i32 @in_section(i32 10)
  %18 = call i32 @in_own(i32 10)
  %19 = call i32 @padded(i32 10)
  %20 = call i32 @stacky(i32 10000)
  %p4 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %17, i32 %18, i32 %19, i32 %20)
  %21 = call i32 @dynamic(i32 5)
  %22 = call i32 @naked(i32 1)
  %f = load ptr, ptr @unchecked
  %23 = call i32 %f(i32 20)
  %o = load i32, ptr getelementptr ([2 x i32], ptr @relative_data, i64 0, i64 1)
  %o64 = sext i32 %o to i64
  %at = getelementptr i8, ptr getelementptr ([2 x i32], ptr @relative_data, i64 0, i64 1), i64 %o64
  %24 = load i32, ptr %at
  %p5 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %21, i32 %22, i32 %23, i32 %24)
  %pages = ptrtoint ptr @pages to i64
  %pm = and i64 %pages, 8191
  %25 = trunc i64 %pm to i32
  %p6 = call i32 (ptr, ...) @printf(ptr @fmt, i32 %25, i32 0, i32 0, i32 0)
  ret i32 0
}
!0 = !{ptr @described}
