; The data layout that clang gave to x86-64 until 17, in text, and in another file without a triple:
; LLVM upgrades such a layout. A wide integer in a struct is where today's differs.
; FILES: parts/layout_old_2.ll
; EXIT: 0
target datalayout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-f80:128-n8:16:32:64-S128"
target triple = "x86_64-pc-linux-gnu"

%pair = type { i32, i128 }

@format = constant [11 x i8] c"%ld %ld %d\00"

declare i64 @distance()
declare i32 @printf(ptr, ...)

define i32 @main() {
  %places = alloca [2 x %pair], align 16
  %value = getelementptr %pair, ptr %places, i64 1, i32 1
  store i128 5, ptr %value, align 16
  %from = ptrtoint ptr %places to i64
  %to = ptrtoint ptr %value to i64
  %here = sub i64 %to, %from
  %there = call i64 @distance()
  %whole = load i128, ptr %value, align 16
  %part = trunc i128 %whole to i32
  %n = call i32 (ptr, ...) @printf(ptr @format, i64 %here, i64 %there, i32 %part)
  ret i32 0
}
