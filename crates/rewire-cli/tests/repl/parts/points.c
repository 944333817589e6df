typedef struct {
  float x, y;
} Point;

Point mirrored(Point p) { return (Point){p.y, p.x}; }

Point middle(Point p, Point q) {
  return (Point){(p.x + q.x) / 2, (p.y + q.y) / 2};
}
