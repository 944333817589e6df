// Runs long enough that compiling does not matter: containers, strings, virtual functions,
// templates, exceptions.
#include "cxx_program.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

struct Shape {
  virtual ~Shape() = default;
  virtual double area() const = 0;
  virtual void grow(double by) = 0;
};

struct Square final : Shape {
  explicit Square(double side) : side(side) {}
  double area() const override { return side * side; }
  void grow(double by) override { side += by; }
  double side;
};

struct Disc final : Shape {
  explicit Disc(double radius) : radius(radius) {}
  double area() const override { return 3.25 * radius * radius; }
  void grow(double by) override { radius += by / 2; }
  double radius;
};

double shapes(int count, int rounds) {
  std::vector<std::unique_ptr<Shape>> all;
  for (int i = 0; i < count; ++i) {
    if (i % 3 == 0)
      all.push_back(std::make_unique<Disc>(i % 17));
    else
      all.push_back(std::make_unique<Square>(i % 23));
  }
  double sum = 0;
  for (int round = 0; round < rounds; ++round)
    for (auto &shape : all) {
      shape->grow(0.25);
      sum += shape->area();
    }
  return sum;
}

std::uint32_t next(std::uint32_t &state) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

std::uint64_t words(int count) {
  std::map<std::string, int> sorted;
  std::unordered_map<std::string, int> hashed;
  std::uint32_t state = 12345;
  for (int i = 0; i < count; ++i) {
    std::string word = "word " + std::to_string(next(state) % 5000);
    ++sorted[word];
    hashed[word] += i;
  }
  std::uint64_t sum = 0;
  for (const auto &[word, times] : sorted) sum = sum * 31 + times + word.size() + hashed[word];
  return sum;
}

std::uint64_t sorting(int count) {
  std::vector<std::uint32_t> numbers(count);
  std::uint32_t state = 777;
  for (auto &number : numbers) number = next(state);
  std::sort(numbers.begin(), numbers.end(), [](auto one, auto other) {
    return one % 1000003 < other % 1000003 || (one % 1000003 == other % 1000003 && one < other);
  });
  std::stable_sort(numbers.begin(), numbers.end() - count / 2);
  return std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0},
                         [](std::uint64_t sum, std::uint32_t one) { return sum * 33 + one; });
}

template <int Size> struct Matrix {
  std::vector<double> cells = std::vector<double>(Size * Size);
  double &at(int row, int column) { return cells[row * Size + column]; }
  double at(int row, int column) const { return cells[row * Size + column]; }
  Matrix operator*(const Matrix &other) const {
    Matrix product;
    for (int i = 0; i < Size; ++i)
      for (int k = 0; k < Size; ++k)
        for (int j = 0; j < Size; ++j) product.at(i, j) += at(i, k) * other.at(k, j);
    return product;
  }
};

double matrices(int rounds) {
  Matrix<64> one, step;
  for (int i = 0; i < 64; ++i)
    for (int j = 0; j < 64; ++j) {
      one.at(i, j) = (i * 7 + j) % 5 / 8.0;
      step.at(i, j) = i == j ? 1 : (i + j) % 64 == 1 ? 0.5 : 0;
    }
  for (int round = 0; round < rounds; ++round) one = one * step;
  return std::accumulate(one.cells.begin(), one.cells.end(), 0.0);
}

int depth(int left) {
  if (left == 0) throw std::runtime_error("deep");
  std::string held(left, 'x');
  return depth(left - 1) + static_cast<int>(held.size());
}

int exceptions(int rounds) {
  int caught = 0;
  for (int round = 0; round < rounds; ++round) try {
      caught += depth(round % 8);
    } catch (const std::exception &error) {
      caught += error.what()[0] == 'd';
    }
  return caught;
}

} // namespace

int long_run(int rounds) {
  for (int round = 0; round < rounds; ++round)
    std::printf("%.6g %llu %llu %.6g %d\n", shapes(20000, 800), (unsigned long long)words(600000),
                (unsigned long long)sorting(1500000), matrices(700), exceptions(20000));
  return 0;
}
