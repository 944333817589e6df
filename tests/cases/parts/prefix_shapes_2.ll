; The second file of prefix_shapes.ll.
declare i32 @info(i32)
@kept = global ptr @info
define ptr @second_info() {
  %p = load ptr, ptr @kept
  ret ptr %p
}
define i32 @second_tag(ptr %f) {
  %at = getelementptr i32, ptr %f, i64 -1
  %v = load i32, ptr %at
  ret i32 %v
}
define i32 @overridden(i32 %x) prefix i32 2 {
  ret i32 1
}
