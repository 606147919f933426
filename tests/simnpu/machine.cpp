// SIMULATED CANN runtime, first part: devices, memory, streams and events.
//
// Real here: which functions exist, their signatures as torch_npu calls them, and their status codes. Not real:
// everything behind them. Device memory is memory of the host, copies are done when they return, and time passes on
// a clock that the test sets.
#include "machine.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <unistd.h>

namespace sim {

thread_local int device_of_thread = -1;
thread_local std::string last_error;

namespace {

thread_local bool impatient = false;

std::string text_knob(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

long number_knob(const char* name, long otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? std::atol(value) : otherwise;
}

}  // namespace

double now_ms() {
  using std::chrono::duration;
  return duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void set_error(const std::string& text) { last_error = "[SIMULATED NPU] " + text; }
int current_device() { return device_of_thread; }
int current_or_first() { return std::max(device_of_thread, 0); }
void set_impatient(bool value) { impatient = value; }

Status unsupported(const char* function) {
  set_error(std::string(function) + " is not simulated");
  return kNotSupported;
}

Machine& Machine::get() {
  static Machine machine;
  return machine;
}

Machine::Machine()
    : devices(static_cast<int>(std::clamp(number_knob("SIMNPU_DEVICES", 2), 0L, long{kMaxDevices}))),
      memory_bytes(static_cast<size_t>(number_knob("SIMNPU_MEMORY_MIB", 4096)) << 20),
      soc(text_knob("SIMNPU_SOC", "Ascend910B2")),
      cann_version(text_knob("SIMNPU_CANN_VERSION", "8.5.0") + ".simulated"),
      aclnn_status(static_cast<int>(number_knob("SIMNPU_ACLNN_STATUS", 161002))),
      trace(std::getenv("SIMNPU_TRACE") != nullptr) {}

Status Machine::allocate(void** pointer, size_t bytes, int device) {
  constexpr size_t kPage = size_t{2} << 20;  // what the real driver aligns to
  std::lock_guard<std::mutex> lock(mutex_);
  *pointer = nullptr;
  if (used_[device] + bytes > memory_bytes || posix_memalign(pointer, kPage, std::max<size_t>(bytes, 1)) != 0) {
    set_error("EL0004: the device's memory is full");
    return kOutOfMemory;
  }
  allocations_[*pointer] = {bytes, device};
  used_[device] += bytes;
  return kOk;
}

Status Machine::release(void* pointer) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = allocations_.find(pointer);
  if (found == allocations_.end()) return kInvalidParameter;
  used_[found->second.device] -= found->second.bytes;
  allocations_.erase(found);
  std::free(pointer);
  return kOk;
}

size_t Machine::free_bytes(int device) {
  std::lock_guard<std::mutex> lock(mutex_);
  return memory_bytes - used_[device];
}

int Machine::owner(const void* pointer) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto next = allocations_.upper_bound(pointer);
  if (next == allocations_.begin()) return -1;
  const auto& [start, allocation] = *std::prev(next);
  return static_cast<const char*>(pointer) < static_cast<const char*>(start) + allocation.bytes ? allocation.device : -1;
}

void Machine::charge(int device, double milliseconds) {
  std::lock_guard<std::mutex> lock(mutex_);
  busy_until_[device] = std::max(busy_until_[device], now_ms()) + milliseconds;
}

double Machine::busy_until(int device) {
  std::lock_guard<std::mutex> lock(mutex_);
  return busy_until_[device];
}

void Machine::wait(double until_ms) const {
  const double left = until_ms - now_ms();
  if (!impatient && left > 0) std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(left));
}

Status Machine::break_down(const std::string& why) {
  std::fprintf(stderr, "[SIMULATED NPU] %s; the device is in an error state from here on\n", why.c_str());
  set_error("EZ3002: " + why);
  return broken_ = kDeviceBroken;
}

}  // namespace sim

using sim::Machine;
using sim::Status;

namespace {

struct Stream {
  int device;
  int id;
};

struct Event {
  double at_ms = 0;
  bool recorded = false;
};

Status wait_for_device(int device) {
  Machine::get().wait(Machine::get().busy_until(device));
  return Machine::get().broken();
}

int device_of(void* stream) { return stream != nullptr ? static_cast<Stream*>(stream)->device : sim::current_or_first(); }

Status new_stream(void** stream) {
  static int next = 1;
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  *stream = new Stream{sim::current_device(), next++};
  return sim::kOk;
}

// A context is known by its device; 0 would be the null handle.
constexpr std::intptr_t kContextBase = 0x1000;

}  // namespace

// --- the mark, and what the simulated kernels need of the machine ----------------------------------------------------

STUB const char* simcann_marker() { return "SIMULATED NPU: no Ascend hardware"; }
STUB void simcann_charge(int device, double milliseconds) { Machine::get().charge(device, milliseconds); }
STUB void simcann_impatient(int value) { sim::set_impatient(value != 0); }

// --- start and end, devices ------------------------------------------------------------------------------------------

STUB Status aclInit(const char*) {
  std::fprintf(stderr, "[SIMULATED NPU] stub of the CANN runtime: %d device(s) in host memory, no Ascend hardware\n",
               Machine::get().devices);
  return sim::kOk;
}
STUB Status aclFinalize() { return sim::kOk; }

STUB Status aclrtGetDeviceCount(uint32_t* count) {
  *count = static_cast<uint32_t>(Machine::get().devices);
  return *count > 0 ? sim::kOk : sim::kNoDevice;
}
STUB Status aclrtSetDevice(int32_t device) {
  if (device < 0 || device >= Machine::get().devices) {
    sim::set_error("there is no device " + std::to_string(device));
    return sim::kInvalidDevice;
  }
  sim::device_of_thread = device;
  return sim::kOk;
}
STUB Status aclrtGetDevice(int32_t* device) {
  *device = sim::current_device();
  return *device < 0 ? sim::kNoContext : sim::kOk;
}
STUB Status aclrtResetDevice(int32_t) { return sim::kOk; }
STUB Status aclrtGetCurrentContext(void** context) {
  if (sim::current_device() < 0) return sim::kNoContext;
  *context = reinterpret_cast<void*>(kContextBase + sim::current_device());
  return sim::kOk;
}
STUB Status aclrtSetCurrentContext(void* context) {
  sim::device_of_thread = static_cast<int>(reinterpret_cast<std::intptr_t>(context) - kContextBase);
  return sim::kOk;
}
STUB Status aclrtGetPrimaryCtxState(int32_t, uint32_t*, int32_t* active) {
  if (active != nullptr) *active = 1;
  return sim::kOk;
}
STUB const char* aclrtGetSocName() { return Machine::get().soc.c_str(); }
STUB const char* aclGetRecentErrMsg() {
  static thread_local std::string handed_out;
  handed_out.swap(sim::last_error);
  sim::last_error.clear();
  return handed_out.empty() ? nullptr : handed_out.c_str();
}
STUB Status aclrtSynchronizeDevice() { return wait_for_device(sim::current_or_first()); }
STUB Status aclrtSynchronizeDeviceWithTimeout(int32_t) { return wait_for_device(sim::current_or_first()); }
STUB Status aclrtDeviceCanAccessPeer(int32_t* can, int32_t, int32_t) {
  *can = 1;
  return sim::kOk;
}
STUB Status aclrtDeviceEnablePeerAccess(int32_t, uint32_t) { return sim::kOk; }
STUB Status aclrtDeviceGetBareTgid(int32_t* process) {
  *process = getpid();
  return sim::kOk;
}
STUB Status aclrtGetLogicDevIdByUserDevId(int32_t user, int32_t* logical) {
  *logical = user;
  return sim::kOk;
}
STUB Status aclrtGetDeviceUtilizationRate(int32_t, void* rates) {
  std::memset(rates, 0, 4 * sizeof(int32_t));
  return sim::kOk;
}
STUB Status aclGetDeviceCapability(uint32_t, int, int64_t* cores) {
  *cores = 24;  // an Ascend 910B's number of AI cores
  return sim::kOk;
}
STUB Status aclrtGetDeviceInfo(uint32_t, int attribute, int64_t* value) {
  constexpr int kTotalMemory = 301;
  *value = attribute == kTotalMemory ? static_cast<int64_t>(Machine::get().memory_bytes) : 24;
  return sim::kOk;
}
STUB Status aclrtGetLastError(int) { return sim::kOk; }
STUB Status aclrtPeekAtLastError(int) { return sim::kOk; }

// --- memory ----------------------------------------------------------------------------------------------------------

STUB Status aclrtGetMemInfo(int, size_t* free_bytes, size_t* total_bytes) {
  *total_bytes = Machine::get().memory_bytes;
  *free_bytes = Machine::get().free_bytes(sim::current_or_first());
  return sim::kOk;
}
STUB Status aclrtMalloc(void** pointer, size_t bytes, int) {
  return Machine::get().allocate(pointer, bytes, sim::current_or_first());
}
STUB Status aclrtMallocAlign32(void** pointer, size_t bytes, int) {
  return Machine::get().allocate(pointer, bytes, sim::current_or_first());
}
STUB Status aclrtFree(void* pointer) { return Machine::get().release(pointer); }
STUB Status aclrtMallocHost(void** pointer, size_t bytes) {
  return posix_memalign(pointer, 4096, std::max<size_t>(bytes, 1)) == 0 ? sim::kOk : sim::kOutOfMemory;
}
STUB Status aclrtFreeHost(void* pointer) {
  std::free(pointer);
  return sim::kOk;
}
STUB Status aclrtMemcpy(void* to, size_t, const void* from, size_t bytes, int) {
  std::memcpy(to, from, bytes);
  return Machine::get().broken();
}
STUB Status aclrtMemcpyAsync(void* to, size_t, const void* from, size_t bytes, int, void*) {
  std::memcpy(to, from, bytes);
  return Machine::get().broken();
}
STUB Status aclrtMemset(void* to, size_t, int32_t value, size_t bytes) {
  std::memset(to, value, bytes);
  return sim::kOk;
}
STUB Status aclrtMemsetAsync(void* to, size_t, int32_t value, size_t bytes, void*) {
  std::memset(to, value, bytes);
  return sim::kOk;
}
STUB Status aclrtPointerGetAttributes(const void* pointer, void* attributes) {
  struct Location {  // the head of CANN's aclrtPtrAttributes; the rest stays zero
    uint32_t id;
    int kind;
  };
  constexpr size_t kSize = 28;
  constexpr int kHost = 0, kDevice = 1;
  std::memset(attributes, 0, kSize);
  const int owner = Machine::get().owner(pointer);
  *static_cast<Location*>(attributes) = {static_cast<uint32_t>(std::max(owner, 0)), owner < 0 ? kHost : kDevice};
  return sim::kOk;
}

// --- streams and events ----------------------------------------------------------------------------------------------

STUB Status aclrtCreateStream(void** stream) { return new_stream(stream); }
STUB Status aclrtCreateStreamWithConfig(void** stream, uint32_t, uint32_t) { return new_stream(stream); }
STUB Status aclrtDestroyStream(void* stream) {
  delete static_cast<Stream*>(stream);
  return sim::kOk;
}
STUB Status aclrtDestroyStreamForce(void* stream) { return aclrtDestroyStream(stream); }
STUB Status aclrtSynchronizeStream(void* stream) { return wait_for_device(device_of(stream)); }
STUB Status aclrtSynchronizeStreamWithTimeout(void* stream, int32_t) { return wait_for_device(device_of(stream)); }
STUB Status aclrtStreamGetId(void* stream, int32_t* id) {
  *id = static_cast<Stream*>(stream)->id;
  return sim::kOk;
}
STUB Status aclrtStreamQuery(void*, int* status) {
  *status = 0;  // complete
  return sim::kOk;
}
STUB Status aclrtStreamWaitEvent(void*, void*) { return sim::kOk; }
STUB Status aclrtSetStreamFailureMode(void*, uint64_t) { return sim::kOk; }
STUB Status aclrtSetStreamOverflowSwitch(void*, uint32_t) { return sim::kOk; }
STUB Status aclrtGetStreamOverflowSwitch(void*, uint32_t* value) {
  *value = 0;
  return sim::kOk;
}

STUB Status aclrtCreateEventWithFlag(void** event, uint32_t) {
  *event = new Event;
  return sim::kOk;
}
STUB Status aclrtCreateEventExWithFlag(void** event, uint32_t flag) { return aclrtCreateEventWithFlag(event, flag); }
STUB Status aclrtDestroyEvent(void* event) {
  delete static_cast<Event*>(event);
  return sim::kOk;
}
STUB Status aclrtRecordEvent(void* event, void* stream) {
  const double done = Machine::get().busy_until(device_of(stream));
  *static_cast<Event*>(event) = {std::max(sim::now_ms(), done), true};
  return sim::kOk;
}
STUB Status aclrtResetEvent(void* event, void*) {
  static_cast<Event*>(event)->recorded = false;
  return sim::kOk;
}
STUB Status aclrtSynchronizeEvent(void* event) {
  Machine::get().wait(static_cast<Event*>(event)->at_ms);
  return Machine::get().broken();
}
STUB Status aclrtQueryEventStatus(void* event, int* status) {
  *status = sim::now_ms() >= static_cast<Event*>(event)->at_ms ? 1 : 0;  // complete or not ready
  return sim::kOk;
}
STUB Status aclrtEventElapsedTime(float* milliseconds, void* start, void* end) {
  const auto *first = static_cast<Event*>(start), *second = static_cast<Event*>(end);
  if (!first->recorded || !second->recorded) return sim::kNotRecorded;
  *milliseconds = static_cast<float>(second->at_ms - first->at_ms);
  return sim::kOk;
}
STUB Status aclrtProcessReport(int32_t) { return sim::kOk; }
