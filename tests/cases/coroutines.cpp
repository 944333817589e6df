// C++20 coroutines: generators, a recursive task with symmetric transfer, exceptions out of one,
// destruction of a suspended one, local state over suspension, promise allocation. The bitcode
// has the coroutines whole (its passes are left out) or already split, by mode.
// FLAGS: -std=c++20
// LINK: stdc++
#include <coroutine>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

static int alive;
struct Tracked {
    std::string name;
    Tracked(const char *n) : name(n) { alive++; }
    ~Tracked() { alive--; }
};

template <class T> struct Generator {
    struct promise_type {
        T value;
        std::exception_ptr error;
        Generator get_return_object() {
            return Generator{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        std::suspend_always yield_value(T v) {
            value = std::move(v);
            return {};
        }
        void return_void() {}
        void unhandled_exception() { error = std::current_exception(); }
    };
    std::coroutine_handle<promise_type> h;
    explicit Generator(std::coroutine_handle<promise_type> h) : h(h) {}
    Generator(Generator &&o) : h(std::exchange(o.h, {})) {}
    ~Generator() {
        if (h)
            h.destroy();
    }
    bool next() {
        h.resume();
        if (h.promise().error)
            std::rethrow_exception(h.promise().error);
        return !h.done();
    }
    T value() { return h.promise().value; }
};

static Generator<int> fibonacci(int limit) {
    Tracked t("fibonacci");
    int a = 0, b = 1;
    while (a < limit) {
        co_yield a;
        a = std::exchange(b, a + b);
    }
}
static Generator<std::string> words(const char *from) {
    Tracked t(from);
    for (int i = 0; i < 3; i++)
        co_yield t.name + std::to_string(i);
    throw std::runtime_error("out of words");
}

struct Task {
    struct promise_type {
        int value = 0;
        std::coroutine_handle<> continuation = std::noop_coroutine();
        static void *operator new(std::size_t n) {
            alive += 100;
            return ::operator new(n);
        }
        static void operator delete(void *p) {
            alive -= 100;
            ::operator delete(p);
        }
        Task get_return_object() {
            return Task{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        struct Final {
            bool await_ready() noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> h) noexcept {
                return h.promise().continuation;
            }
            void await_resume() noexcept {}
        };
        Final final_suspend() noexcept { return {}; }
        void return_value(int v) { value = v; }
        void unhandled_exception() { std::terminate(); }
    };
    std::coroutine_handle<promise_type> h;
    explicit Task(std::coroutine_handle<promise_type> h) : h(h) {}
    Task(Task &&o) : h(std::exchange(o.h, {})) {}
    ~Task() {
        if (h)
            h.destroy();
    }
    bool await_ready() { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) {
        h.promise().continuation = caller;
        return h;
    }
    int await_resume() { return h.promise().value; }
};

static Task sum_to(int n) {
    Tracked t("sum");
    if (n == 0)
        co_return 0;
    int rest = co_await sum_to(n - 1);
    co_return rest + n;
}
// A million transfers: natively only at -O2 without growing the stack, so not as many here.
static Task loop(int n) {
    int total = 0;
    for (int i = 0; i < n; i++)
        total += co_await sum_to(1);
    co_return total;
}
// Never called: its parts must not be made.
static Generator<int> never_called() { co_yield 1; }
Generator<int> (*volatile keep)() = never_called;

int main() {
    for (auto g = fibonacci(100); g.next();)
        printf("%d ", g.value());
    printf("\n");
    try {
        for (auto g = words("word"); g.next();)
            printf("%s ", g.value().c_str());
    } catch (const std::exception &e) {
        printf("%s\n", e.what());
    }
    {
        auto half = fibonacci(1000000);
        half.next();
        half.next();
        printf("alive %d\n", alive);
    }
    printf("alive %d\n", alive);
    {
        auto t = sum_to(50);
        t.h.resume();
        printf("%d %d\n", t.h.done(), t.h.promise().value);
    }
    {
        auto t = loop(30);
        t.h.resume();
        printf("%d %d\n", t.h.done(), t.h.promise().value);
    }
    printf("alive %d\n", alive);
    return 0;
}
