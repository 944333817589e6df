// A C++ program that leans on its run-time library: exceptions, static objects and their order,
// thread-locals, threads, templates of the standard library, streams and locales.
#include "cxx_program.h"

#include <algorithm>
#include <any>
#include <atomic>
#include <bitset>
#include <charconv>
#include <chrono>
#include <cmath>
#include <complex>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <filesystem>
#include <functional>
#include <future>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <list>
#include <locale>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <queue>
#include <random>
#include <ranges>
#include <regex>
#include <set>
#include <sstream>
#include <string_view>
#include <thread>
#include <tuple>
#include <typeinfo>
#include <unordered_map>
#include <utility>
#include <variant>

static Noisy early("early");
static std::map<std::string, int> table = {{"one", 1}, {"two", 2}, {"three", 3}};
__attribute__((constructor(200))) static void before_all() { std::printf("constructor "); }
__attribute__((destructor)) static void after_all() { std::printf("destructor\n"); }

static void section(const char *name) { std::cout << "\n[" << name << "] " << std::flush; }

// --- exceptions

static int deep(int depth, int kind) {
  Noisy local(depth == 0 ? "deepest" : "frame");
  if (depth == 0) other_throws(kind);
  return deep(depth - 1, kind) + 1;
}

static void caught(int kind) {
  try {
    deep(2, kind);
  } catch (const Failure &failure) {
    std::cout << "Failure " << failure.what() << ' ' << failure.code << '\n';
  } catch (int number) {
    std::cout << "int " << number << '\n';
  } catch (const char *text) {
    std::cout << "text " << text << '\n';
  } catch (const Right &right) {
    std::cout << "Right " << right.right() << ' ' << dynamic_cast<const Base &>(right).b << '\n';
  } catch (...) {
    std::cout << "something\n";
  }
}

static void nested(int depth) {
  try {
    if (depth == 0) throw std::logic_error("innermost");
    nested(depth - 1);
  } catch (...) {
    std::throw_with_nested(std::runtime_error("level " + std::to_string(depth)));
  }
}

static void print_nested(const std::exception &error) {
  std::cout << error.what() << "; ";
  try {
    std::rethrow_if_nested(error);
  } catch (const std::exception &inner) {
    print_nested(inner);
  }
}

struct Member {
  explicit Member(int value) : value(value) {
    if (value < 0) throw std::domain_error("negative");
  }
  int value;
};

struct Holder {
  Noisy first{"member"};
  Member second;
  explicit Holder(int value) try : second(value) {
  } catch (const std::domain_error &) {
    std::cout << "(in the constructor) ";
  }
};

static int may_fail_once() {
  static int attempts = 0;
  static const std::string value = [] {
    if (++attempts == 1) throw std::runtime_error("not yet");
    return std::string("initialised at attempt ") + std::to_string(attempts);
  }();
  std::cout << value << '\n';
  return attempts;
}

static int compare_or_throw(const void *one, const void *other) {
  int a = *static_cast<const int *>(one), b = *static_cast<const int *>(other);
  if (a == 13 || b == 13) throw Failure("unlucky", 13);
  return a - b;
}

static void exceptions() {
  section("exceptions");
  for (int kind = 0; kind < 5; ++kind) caught(kind);
  try {
    nested(3);
  } catch (const std::exception &error) {
    print_nested(error);
  }
  try {
    Holder holder(-1);
  } catch (const std::exception &error) {
    std::cout << error.what() << '\n';
  }
  for (int i = 0; i < 2; ++i) {
    try {
      may_fail_once();
    } catch (const std::exception &error) {
      std::cout << error.what() << '\n';
    }
  }
  try {
    calls_back([](int x) -> int { throw x; }, 5);
  } catch (int x) {
    std::cout << "through a callback: " << x << '\n';
  }
  try {
    int numbers[] = {5, 1, 13, 4, 2};
    std::qsort(numbers, 5, sizeof *numbers, compare_or_throw); // through the C library's frames
  } catch (const Failure &failure) {
    std::cout << failure.what() << '\n';
  }
  std::exception_ptr kept;
  std::thread([&kept] {
    try {
      std::vector<int>().at(1);
    } catch (...) {
      kept = std::current_exception();
    }
  }).join();
  try {
    std::rethrow_exception(kept);
  } catch (const std::out_of_range &) {
    std::cout << "out of range, from another thread\n";
  }
  try {
    const Left &object = *new Left;
    std::unique_ptr<const Left> owner(&object);
    (void)dynamic_cast<const Both &>(object);
  } catch (const std::bad_cast &error) {
    std::cout << error.what() << '\n';
  }
  try {
    std::ignore = std::any_cast<int>(std::any(1.5));
  } catch (const std::bad_any_cast &error) {
    std::cout << error.what() << '\n';
  }
  try {
    std::function<void()>()();
  } catch (const std::bad_function_call &error) {
    std::cout << error.what() << '\n';
  }
  int sum = 0;
  for (int i = 0; i < 2000; ++i) {
    try {
      if (i % 2) throw i;
      throw std::to_string(i);
    } catch (int number) {
      sum += number;
    } catch (const std::string &text) {
      sum -= std::stoi(text);
    }
  }
  std::cout << "sum " << sum << " uncaught " << std::uncaught_exceptions() << '\n';
}

// --- one of each, in both files

static void vague_linkage() {
  section("one of each");
  std::cout << counter() << ' ' << other_counts() << ' ' << counter() << '\n';
  other_registers("second");
  Registry<int>::names.push_back("third");
  for (const auto &name : Registry<int>::names) std::cout << name << ' ';
  const Left &object = other_object();
  std::cout << typeid(object).name() << ' ' << (typeid(object) == typeid(Both)) << ' '
            << dynamic_cast<const Both &>(object).right() << ' ' << object.left() << '\n';
}

// --- threads

static std::once_flag once;

static void threads() {
  section("threads");
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<int> results(8);
  int turn = 0;
  std::vector<std::thread> all;
  for (int i = 0; i < 8; ++i)
    all.emplace_back([&, i] {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return turn == i; });
      per_thread_number += i;
      std::printf("[%d %s %d] ", i, per_thread.name, per_thread_number);
      results[i] = i * i;
      std::call_once(once, [] { std::printf("once "); });
      // The thread-locals are destroyed in this thread's turn; the next one waits for the join.
    });
  for (auto &one : all) {
    one.join();
    std::lock_guard lock(mutex);
    ++turn;
    changed.notify_all();
  }
  std::fflush(stdout);
  std::cout << std::accumulate(results.begin(), results.end(), 0) << '\n';
  auto later = std::async(std::launch::async, [](int x) { return x * 2; }, 21);
  std::promise<std::string> promise;
  auto future = promise.get_future();
  std::jthread sender([&promise] { promise.set_exception(std::make_exception_ptr(Failure("promised", 9))); });
  try {
    future.get();
  } catch (const Failure &failure) {
    std::cout << later.get() << ' ' << failure.what() << '\n';
  }
  std::atomic<long> total{0};
  {
    std::vector<std::jthread> pool;
    for (int i = 0; i < 4; ++i)
      pool.emplace_back([&] { for (int n = 0; n < 10000; ++n) total += n % 7; });
  }
  std::cout << total << '\n';
  try {
    auto abandoned = std::promise<int>().get_future();
    abandoned.get();
  } catch (const std::future_error &error) {
    std::cout << error.code().category().name() << ' ' << error.code().value() << '\n';
  }
}

// --- the standard library

struct Visitor {
  std::string operator()(int x) const { return "int " + std::to_string(x); }
  std::string operator()(double x) const { return "double " + std::to_string(x); }
  std::string operator()(const std::string &x) const { return "string " + x; }
};

template <class... Ts> auto folded(Ts... values) { return (... + values); }

template <class T> concept Printable = requires(std::ostream &out, T value) { out << value; };
template <Printable... Ts> void print_all(const Ts &...values) { ((std::cout << values << ' '), ...); }

static void library() {
  section("library");
  for (auto &[name, value] : table) std::cout << name << '=' << value << ' ';
  std::unordered_map<std::string, int> words;
  std::istringstream text("the quick brown fox jumps over the lazy dog and the cat");
  for (std::string word; text >> word;) ++words[word];
  std::set<std::pair<int, std::string>> by_count;
  for (auto &[word, count] : words) by_count.emplace(-count, word);
  for (auto &[count, word] : by_count) std::cout << word << ':' << -count << ' ';
  std::cout << '\n';
  for (std::variant<int, double, std::string> value :
       {std::variant<int, double, std::string>(3), {2.5}, {std::string("x")}})
    std::cout << std::visit(Visitor{}, value) << ' ';
  std::regex pattern(R"((\w+)@(\w+)\.(com|org))");
  std::string mail = "write to ann@example.com or bob@example.org, not to carl@example.net";
  for (std::sregex_iterator it(mail.begin(), mail.end(), pattern), end; it != end; ++it)
    std::cout << (*it)[1] << " at " << (*it)[2] << "; ";
  std::cout << std::regex_replace(mail, pattern, "<$1>") << '\n';
  try {
    std::regex("(");
  } catch (const std::regex_error &error) {
    std::cout << "regex error " << error.code() << '\n';
  }
  std::mt19937_64 random(42);
  std::vector<int> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), 0);
  std::shuffle(numbers.begin(), numbers.end(), random);
  std::cout << numbers[0] << ' ' << numbers[999] << ' ';
  std::ranges::sort(numbers, std::greater{});
  auto some = numbers | std::views::filter([](int x) { return x % 100 == 7; }) |
              std::views::transform([](int x) { return x * 2; }) | std::views::take(4);
  for (int x : some) std::cout << x << ' ';
  std::priority_queue<int> heap(numbers.begin(), numbers.begin() + 50);
  std::deque<int> queue(numbers.begin(), numbers.begin() + 5);
  queue.push_front(-1);
  std::list<int> list(queue.rbegin(), queue.rend());
  list.sort();
  std::cout << heap.top() << ' ' << queue.size() << ' ' << list.front() << ' ' << list.back() << '\n';
  std::cout << folded(1, 2.5, 3L) << ' ' << folded(std::string("a"), "b", 'c') << ' ';
  print_all(1, "two", 3.5, 'c');
  std::cout << std::bitset<12>(0xabc) << ' ' << std::complex<double>(1, 2) * std::complex<double>(3, -1)
            << ' ' << std::optional<int>().value_or(5) << ' '
            << std::filesystem::path("/a/b/../c.txt").lexically_normal() << '\n';
  double parsed = 0;
  std::string_view digits = "2.718281828";
  std::from_chars(digits.data(), digits.data() + digits.size(), parsed);
  char buffer[32];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, parsed).ptr;
  std::cout << std::string_view(buffer, end - buffer) << ' ' << std::chrono::milliseconds(1500).count()
            << ' ' << std::lerp(1.0, 2.0, 0.25) << '\n';
  auto shared = std::make_shared<Noisy>("shared");
  std::weak_ptr<Noisy> weak = shared;
  std::function<int(int)> add = [shared, n = 1](int x) mutable { return x + n++; };
  shared.reset();
  std::cout << add(1) << add(1) << ' ' << weak.use_count() << '\n' << std::flush;
  add = nullptr;
  std::fflush(stdout);
  std::cout << weak.expired() << '\n';
}

// --- streams and locales

struct Grouped : std::numpunct<char> {
  char do_thousands_sep() const override { return '\''; }
  std::string do_grouping() const override { return "\3"; }
  std::string do_truename() const override { return "yes"; }
};

static void streams() {
  section("streams");
  std::cout << std::hex << std::showbase << 255 << ' ' << std::oct << 8 << std::dec << ' '
            << std::setw(8) << std::setfill('*') << -42 << ' ' << std::fixed << std::setprecision(3)
            << 3.14159 << ' ' << std::scientific << 12345.678 << std::defaultfloat << ' '
            << std::quoted("say \"hi\"") << '\n';
  std::ostringstream grouped;
  grouped.imbue(std::locale(std::locale::classic(), new Grouped));
  grouped << 1234567 << ' ' << std::boolalpha << true;
  std::cout << grouped.str() << ' ' << std::use_facet<std::ctype<char>>(std::locale()).toupper('q') << '\n';
  std::istringstream broken("12 x");
  broken.exceptions(std::ios::failbit);
  try {
    int one, other;
    broken >> one >> other;
  } catch (const std::ios_base::failure &error) {
    std::cout << "failure " << (error.code() == std::io_errc::stream) << '\n';
  }
  std::wostringstream wide;
  wide << L"wide " << 1.5;
  std::cout << wide.str().size() << ' ';
  std::copy(std::istream_iterator<int>(std::cin), {}, std::ostream_iterator<int>(std::cout, ","));
  std::cout << '\n';
  std::cerr << "to standard error\n";
  std::clog << "to the log\n";
}

int main(int argc, char **argv) {
  if (argc == 3 && std::strcmp(argv[1], "long") == 0) return long_run(std::atoi(argv[2]));
  std::cout << argc - 1 << " arguments";
  for (int i = 1; i < argc; ++i) std::cout << ' ' << argv[i];
  exceptions();
  vague_linkage();
  threads();
  library();
  streams();
  std::atexit([] { std::printf("at exit "); });
  static Noisy late("late");
  std::cout << "\nend " << per_thread.name << std::endl;
  return 42;
}
