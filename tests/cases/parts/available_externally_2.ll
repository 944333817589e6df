@value = constant i32 6
define i32 @body(i32 %x) {
  %r = add i32 %x, 1
  ret i32 %r
}
