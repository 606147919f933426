// The simulated machine behind the stub of the CANN runtime: its devices, their memory and their clock.
//
// No CANN header is used. Over the C ABI every enumeration is an int and every handle a pointer, in all releases of
// torch_npu, so these plain types are all that its libraries need.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#define STUB extern "C" __attribute__((visibility("default")))

namespace sim {

using Status = int;

// The numbers are CANN's: torch_npu turns some of them into errors of their own kind.
enum : Status {
  kOk = 0,
  kNoDevice = 100000,
  kInvalidParameter = 107000,
  kInvalidDevice = 107001,
  kNoContext = 107002,
  kNotRecorded = 107003,
  kNotSupported = 207000,
  kOutOfMemory = 207001,
  kDeviceBroken = 500002,
};

constexpr int kMaxDevices = 64;

struct Allocation {
  size_t bytes;
  int device;
};

// One machine per process. The knobs are read from the environment once, when the machine is first asked for.
class Machine {
 public:
  static Machine& get();

  const int devices;
  const size_t memory_bytes;
  const std::string soc;
  const std::string cann_version;
  const int aclnn_status;
  const bool trace;

  Status allocate(void** pointer, size_t bytes, int device);
  Status release(void* pointer);
  size_t free_bytes(int device);
  // The device that an address belongs to, or -1 for memory of the host.
  int owner(const void* pointer);

  // Each device works through what was queued, on a clock of its own: `charge` adds work, `wait` sleeps until it is
  // done. A host that does not synchronise reads its clock too early, as with a real device.
  void charge(int device, double milliseconds);
  double busy_until(int device);
  void wait(double until_ms) const;

  // After a missing kernel nothing may succeed, or later operations would compute with garbage.
  Status broken() const { return broken_; }
  Status break_down(const std::string& why);

 private:
  Machine();
  std::mutex mutex_;
  std::map<const void*, Allocation> allocations_;
  size_t used_[kMaxDevices] = {};
  double busy_until_[kMaxDevices] = {};
  Status broken_ = kOk;
};

double now_ms();
// The text that aclGetRecentErrMsg hands out next on this thread.
void set_error(const std::string& text);
// The current device of this thread, -1 before the first aclrtSetDevice.
int current_device();
// 0 before the first aclrtSetDevice: what torch_npu asks for then is about the first device.
int current_or_first();
Status unsupported(const char* function);
// While set, synchronising does not wait for the clock of the device (used by the kernels, not by the program).
void set_impatient(bool value);

}  // namespace sim
