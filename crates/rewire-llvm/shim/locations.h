// Reading bodies without their source positions.
#ifndef REWIRE_LOCATIONS_H
#define REWIRE_LOCATIONS_H

namespace rewire {

// While it lives, bodies that this thread reads get one source position for all. Only for bodies
// whose debug information is stripped right after.
struct NoLocations {
  NoLocations();
  ~NoLocations();
  NoLocations(const NoLocations &) = delete;
};

} // namespace rewire

#endif
