; The smallest program: what is measured is the start.
target triple = "x86_64-pc-linux-gnu"

define i32 @main() {
  ret i32 0
}
