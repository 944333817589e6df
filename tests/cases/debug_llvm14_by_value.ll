; Debug information as LLVM 14 wrote it: calls of llvm.dbg.value and llvm.dbg.label in bitcode with typed pointers,
; for a data layout of its time. The bitcode is of `clang-14 -g -O1 -c -emit-llvm`, of two functions:
; old_sum adds up x * x - y of points while that is not negative, and counts all points; old_walk jumps
; through a table of labels, 0: one less, 1: ten more, 2: returns where it is, and the count.
; FILES: parts/debug_llvm14_O1.bc
; COMPILED: old_sum old_walk
; EXIT: 0

@points = constant [3 x { i32, i32 }] [{ i32, i32 } { i32 3, i32 4 }, { i32, i32 } { i32 1, i32 9 },
                                       { i32, i32 } { i32 5, i32 1 }]
@steps = constant [6 x i8] c"11012\00"
@format = constant [7 x i8] c"%d %d\0A\00"

declare i32 @old_sum(ptr, i32)
declare i32 @old_walk(ptr)
declare i32 @printf(ptr, ...)

define i32 @main() {
  %sum = call i32 @old_sum(ptr @points, i32 3)
  %at = call i32 @old_walk(ptr @steps)
  %n = call i32 (ptr, ...) @printf(ptr @format, i32 %sum, i32 %at)
  ret i32 0
}
