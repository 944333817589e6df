define i32 @bad() {
  ret i64 0
}
