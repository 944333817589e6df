// Reading bodies without their source positions.
#ifndef REWIRE_LOCATIONS_H
#define REWIRE_LOCATIONS_H

// While it stands, bodies that this thread reads get one source position for all. Only for bodies
// whose debug information is stripped right after.
struct RewireNoLocations {
  RewireNoLocations();
  ~RewireNoLocations();
  RewireNoLocations(const RewireNoLocations &) = delete;
};

#endif
