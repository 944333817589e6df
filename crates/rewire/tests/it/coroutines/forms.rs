//! One generator in the forms in which LLVM IR has coroutines.

/// Calls coroutines. Their values are in a variable.
pub(super) const CALLER: &str = "@value = global i32 -1
    declare void @llvm.coro.resume(ptr)
    declare void @llvm.coro.destroy(ptr)
    define i32 @next(ptr %frame) {
      call void @llvm.coro.resume(ptr %frame)
      %value = load i32, ptr @value
      ret i32 %value
    }
    define void @end(ptr %frame) {
      call void @llvm.coro.destroy(ptr %frame)
      ret void
    }";

/// How a coroutine is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As front ends write it: the engine splits it.
    Whole,
    /// Split before, and not optimised.
    Split,
    /// Split and optimised: both addresses are stored at once.
    Optimised,
}

impl Form {
    pub(super) const ALL: [Self; 3] = [Self::Whole, Self::Split, Self::Optimised];

    /// `make`, a generator of `factor`, twice that, and so on without end.
    pub(super) fn text(self, factor: i32) -> String {
        let text = match self {
            Self::Whole => WHOLE.to_owned(),
            Self::Split => SPLIT.replace("TELL", TOLD_ONE_BY_ONE),
            Self::Optimised => SPLIT.replace("TELL", TOLD_AT_ONCE),
        };
        text.replace("FACTOR", &factor.to_string())
    }
}

const WHOLE: &str = "@value = external global i32
    declare token @llvm.coro.id(i32, ptr, ptr, ptr)
    declare i64 @llvm.coro.size.i64()
    declare ptr @llvm.coro.begin(token, ptr)
    declare i8 @llvm.coro.suspend(token, i1)
    declare ptr @llvm.coro.free(token, ptr)
    declare void @llvm.coro.end(ptr, i1, token)
    declare ptr @malloc(i64)
    declare void @free(ptr)
    define internal i32 @scaled_by_FACTOR(i32 %number) {
      %product = mul i32 %number, FACTOR
      ret i32 %product
    }
    define ptr @make() presplitcoroutine {
      %id = call token @llvm.coro.id(i32 0, ptr null, ptr null, ptr null)
      %size = call i64 @llvm.coro.size.i64()
      %memory = call ptr @malloc(i64 %size)
      %frame = call ptr @llvm.coro.begin(token %id, ptr %memory)
      br label %wait
    wait:
      %number = phi i32 [ 1, %0 ], [ %following, %on ]
      %how = call i8 @llvm.coro.suspend(token none, i1 false)
      switch i8 %how, label %back [
        i8 0, label %on
        i8 1, label %over
      ]
    on:
      %scaled = call i32 @scaled_by_FACTOR(i32 %number)
      store i32 %scaled, ptr @value
      %following = add i32 %number, 1
      br label %wait
    over:
      %freed = call ptr @llvm.coro.free(token %id, ptr %frame)
      call void @free(ptr %freed)
      br label %back
    back:
      call void @llvm.coro.end(ptr %frame, i1 false, token none)
      ret ptr %frame
    }";

const TOLD_ONE_BY_ONE: &str = "store ptr @make.resume, ptr %frame
      %which = select i1 true, ptr @make.destroy, ptr @make.cleanup
      %second = getelementptr i8, ptr %frame, i64 8
      store ptr %which, ptr %second";

const TOLD_AT_ONCE: &str = "store <2 x ptr> <ptr @make.resume, ptr @make.destroy>, ptr %frame";

const SPLIT: &str = "@value = external global i32
    declare ptr @malloc(i64)
    declare void @free(ptr)
    define internal i32 @scaled_by_FACTOR(i32 %number) {
      %product = mul i32 %number, FACTOR
      ret i32 %product
    }
    define ptr @make() {
      %frame = call ptr @malloc(i64 24)
      TELL
      %number = getelementptr i8, ptr %frame, i64 16
      store i32 1, ptr %number
      ret ptr %frame
    }
    define internal fastcc void @make.resume(ptr %frame) {
      %place = getelementptr i8, ptr %frame, i64 16
      %number = load i32, ptr %place
      %scaled = call i32 @scaled_by_FACTOR(i32 %number)
      store i32 %scaled, ptr @value
      %following = add i32 %number, 1
      store i32 %following, ptr %place
      ret void
    }
    define internal fastcc void @make.destroy(ptr %frame) {
      call void @free(ptr %frame)
      ret void
    }
    define internal fastcc void @make.cleanup(ptr %frame) {
      ret void
    }";
