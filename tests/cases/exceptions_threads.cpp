// Exceptions and threads: carried over by exception_ptr and by std::async, thrown by many threads
// at once, first calls in each; call_once that throws; thread_local objects with destructors.
// LINK: stdc++ pthread
#include <atomic>
#include <cstdio>
#include <exception>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

struct Error : std::runtime_error {
    int code;
    Error(int c) : std::runtime_error("error " + std::to_string(c)), code(c) {}
};
static void fail(int code) { throw Error(code); }

static std::atomic<int> guards{0}, locals{0};
struct Guard {
    ~Guard() { guards++; }
};
struct Local {
    int v = 3;
    ~Local() { locals += v; }
};
static thread_local Local local;

static int deep(int n, int code) {
    Guard g;
    if (n == 0)
        fail(code);
    return deep(n - 1, code) + 1;
}

int main() {
    std::exception_ptr kept;
    std::thread([&] {
        try {
            fail(7);
        } catch (...) {
            kept = std::current_exception();
        }
    }).join();
    try {
        std::rethrow_exception(kept);
    } catch (const Error &e) {
        printf("%s %d\n", e.what(), e.code);
    }

    auto later = std::async(std::launch::async, []() -> int { fail(8); return 1; });
    try {
        printf("%d\n", later.get());
    } catch (const std::exception &e) {
        printf("%s\n", e.what());
    }

    std::atomic<int> sum{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; t++)
        threads.emplace_back([&sum, t] {
            local.v = 4;
            for (int i = 0; i < 200; i++)
                try {
                    deep(i % 10, t);
                } catch (const Error &e) {
                    sum += e.code;
                }
        });
    for (auto &t : threads)
        t.join();
    printf("%d %d %d\n", sum.load(), guards.load(), locals.load());

    std::once_flag flag;
    int tries = 0;
    for (int i = 0; i < 3; i++)
        try {
            std::call_once(flag, [&] {
                if (++tries < 2)
                    fail(tries);
            });
            printf("once\n");
        } catch (const Error &e) {
            printf("not yet: %d\n", e.code);
        }
    std::promise<int> broken;
    auto future = broken.get_future();
    { std::promise<int> gone = std::move(broken); }
    try {
        future.get();
    } catch (const std::future_error &e) {
        printf("%d\n", e.code() == std::future_errc::broken_promise);
    }
    return 0;
}
