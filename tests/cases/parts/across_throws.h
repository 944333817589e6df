struct Odd {
  int n;
};
struct Shape {
  virtual int area(int side) const = 0;
};
extern long left;
int checked(int n);
int guarded(int n);
int passed(int n);
int made();
const Shape *square();
const Shape *round();
template <typename T> inline T largest(T a, T b) {
  static int calls = 0;
  calls++;
  return a > b ? a + calls % 2 : b;
}
