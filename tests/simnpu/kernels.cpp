// SIMULATED kernels: torch_npu's ATen kernels, each replaced by the CPU's kernel on the memory that the stub handed out.
//
// Real here: torch_npu's dispatch registrations (only operators that it registers are replaced, so the rest falls back
// to the CPU with its own warning), its allocator, streams, autocast lists and views. Not real: the arithmetic, which
// is the CPU's, but for the rounding of what goes into convolutions and matrix products.
//
// Used through ctypes by site/sitecustomize.py; nothing here needs Python.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/ops/_to_copy_native.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/library.h>

#include <dlfcn.h>

#include <chrono>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>

namespace {

using at::Tensor;
using c10::Device;
using c10::DispatchKey;
using c10::DispatchKeySet;
using c10::OperatorHandle;
using torch::jit::Stack;

constexpr auto kNpu = c10::DeviceType::PrivateUse1;
constexpr const char* kMark = " [SIMULATED NPU]";

// --- what the test chooses -------------------------------------------------------------------------------------------

// How float32 goes into the cube units; asked anew for each operator, so it follows the program's own switches.
enum Rounding : int { kFloat32 = 0, kHf32 = 1, kFloat16 = 2 };
using RoundingOf = int (*)(int matmul);
using Synchronize = void (*)(int device);
// The seed of a device's generator; `fresh` is set when it was seeded since the last draw.
using Draw = uint64_t (*)(int device, int* fresh);

RoundingOf rounding_of = nullptr;
Synchronize synchronize = nullptr;
Draw draw = nullptr;
double latency_ms = 0;
std::map<std::string, std::string> faults;  // operator -> nan, hang, error or real (torch_npu's own kernel)

void (*charge)(int, double) = nullptr;
void (*impatient)(int) = nullptr;

// --- moving between the NPU's tensors and the same memory as the CPU sees it -----------------------------------------

c10::impl::VirtualGuardImpl& guard() {
  static c10::impl::VirtualGuardImpl instance(kNpu);
  return instance;
}

// Runs what torch_npu has queued for the device; with `wait`, also lets its clock run out.
void drain(Device device, bool wait) {
  impatient(!wait);
  synchronize(device.index());
  impatient(0);
}

Tensor as_host(const Tensor& tensor) {
  auto* memory = tensor.storage().mutable_data();
  c10::Storage storage(c10::Storage::use_byte_size_t(), tensor.storage().nbytes(),
                       c10::DataPtr(memory, Device(at::kCPU)), nullptr, false);
  auto host = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), DispatchKeySet(DispatchKey::CPU),
                                                       tensor.dtype());
  host.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
  return host;
}

Tensor finished(const Tensor& tensor) {
  if (tensor.device().type() != kNpu) return tensor;
  drain(tensor.device(), true);
  return as_host(tensor);
}

// --- rounding --------------------------------------------------------------------------------------------------------

const std::map<std::string, bool> kCubeOperators = {  // operator -> is it a matrix product
    {"aten::_convolution", false}, {"aten::convolution", false}, {"aten::convolution_backward", false},
    {"aten::mm", true},            {"aten::addmm", true},        {"aten::bmm", true},
    {"aten::baddbmm", true},       {"aten::matmul", true},       {"aten::linear", true},
    {"aten::addmv", true},         {"aten::mv", true},
};

// HF32 keeps float32's exponent and 11 explicit bits of the mantissa (CANN, ATC option --allow_hf32); round to even.
Tensor to_hf32(const Tensor& tensor) {
  constexpr uint32_t kDropped = 23 - 11, kHalf = (1u << (kDropped - 1)) - 1, kKept = ~((1u << kDropped) - 1);
  constexpr uint32_t kExponent = 0x7f800000u;  // all ones: an infinity or a NaN, which stay as they are
  Tensor rounded = tensor.contiguous().clone();
  auto* bits = static_cast<uint32_t*>(rounded.mutable_data_ptr());
  at::parallel_for(0, rounded.numel(), 32768, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if ((bits[i] & kExponent) != kExponent) bits[i] = (bits[i] + kHalf + ((bits[i] >> kDropped) & 1)) & kKept;
    }
  });
  return rounded;
}

Tensor rounded_for_cube(const Tensor& host, int rounding) {
  if (rounding == kFloat32 || host.scalar_type() != at::kFloat || host.dim() < 2) return host;
  return rounding == kHf32 ? to_hf32(host) : host.to(at::kHalf).to(at::kFloat);
}

// --- random numbers: a stream of its own per device, unlike the CPU's, seeded as torch_npu's generator is -------------

constexpr uint64_t kOtherStream = 0x9e3779b97f4a7c15ull;

at::Generator random_numbers(Device device) {
  static std::map<int, at::Generator> streams;
  int fresh = 0;
  const uint64_t seed = draw(device.index(), &fresh);
  if (fresh != 0 || streams.find(device.index()) == streams.end()) {
    streams[device.index()] = at::detail::createCPUGenerator();
    streams[device.index()].set_current_seed(seed ^ kOtherStream);
  }
  return streams[device.index()];
}

at::Generator like(const at::Generator& theirs) {
  auto ours = at::detail::createCPUGenerator();
  ours.set_current_seed(theirs.current_seed() ^ kOtherStream);
  return ours;
}

// --- one operator ----------------------------------------------------------------------------------------------------

class Call {
 public:
  Call(const OperatorHandle& op, Stack* stack)
      : schema_(op.schema()),
        stack_(*stack),
        base_(stack->size() - schema_.arguments().size()),
        given_(stack->begin() + static_cast<std::ptrdiff_t>(base_), stack->end()) {
    auto cube = kCubeOperators.find(schema_.name());
    if (cube != kCubeOperators.end()) rounding_ = rounding_of(cube->second);
  }

  void run(const OperatorHandle& op) {
    for (size_t i = 0; i < given_.size(); ++i) to_host(stack_[base_ + i], schema_.arguments()[i]);
    if (!device_) device_ = guard().getDevice();
    refuse_host_tensors();
    for (size_t i = 0; i < given_.size(); ++i) {
      if (schema_.arguments()[i].name() == "generator" && stack_[base_ + i].isNone())
        stack_[base_ + i] = random_numbers(*device_);
    }
    drain(*device_, false);
    {
      c10::impl::ExcludeDispatchKeyGuard no_autograd(c10::autograd_dispatch_keyset_with_ADInplaceOrView);
      op.redispatchBoxed(DispatchKeySet(DispatchKey::CPU), &stack_);
    }
    c10::DeviceGuard on_device(*device_);
    adopt_resized();
    adopt_results();
    if (latency_ms > 0) charge(device_->index(), latency_ms);
  }

 private:
  const c10::FunctionSchema& schema_;
  Stack& stack_;
  const size_t base_;
  const std::vector<c10::IValue> given_;
  std::optional<Device> device_;
  std::vector<std::pair<Tensor, Tensor>> pairs_;  // a tensor of the NPU and its alias on the host
  int rounding_ = kFloat32;

  [[noreturn]] void refuse(const Tensor& tensor, const std::string& argument) const {
    TORCH_CHECK(false, "Expected all tensors to be on the same device, but found at least two devices, ", *device_,
                " and ", tensor.device(), "! (when checking argument ", argument, " in method ", schema_.name(), ")",
                kMark);
  }

  Tensor host_of(const Tensor& tensor, const c10::Argument& argument) {
    if (!tensor.defined()) return tensor;
    const bool scalar = tensor.is_cpu() && tensor.dim() == 0;  // accepted anywhere, as by the real one
    if (device_ && *device_ != tensor.device() && !scalar) refuse(tensor, argument.name());
    if (tensor.device().type() != kNpu) return tensor;  // met before any of the NPU: refuse_host_tensors decides
    device_ = tensor.device();
    const bool to_fill = argument.is_out() && tensor.numel() == 0;
    Tensor host = to_fill ? at::empty({0}, tensor.options().device(at::kCPU)) : as_host(tensor);
    pairs_.emplace_back(tensor, host);
    const bool written = argument.alias_info() != nullptr && argument.alias_info()->isWrite();
    return written ? host : rounded_for_cube(host, rounding_);
  }

  void to_host(c10::IValue& value, const c10::Argument& argument) {
    if (value.isTensor()) {
      value = host_of(value.toTensor(), argument);
    } else if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& tensor : value.toTensorVector()) list.push_back(host_of(tensor, argument));
      value = list;
    } else if (value.isOptionalTensorList()) {  // indices, which may stay on the CPU
      c10::List<std::optional<Tensor>> list;
      for (const std::optional<Tensor>& tensor : value.toOptionalTensorList()) {
        const bool keep = !tensor || !tensor->defined() || tensor->is_cpu();
        list.push_back(keep ? tensor : std::optional<Tensor>(host_of(*tensor, argument)));
      }
      value = list;
    } else if (value.isDevice()) {
      const auto wanted = value.toDevice();
      if (!device_) device_ = wanted.has_index() ? wanted : guard().getDevice();
      value = Device(at::kCPU);
    } else if (value.isGenerator() && value.toGenerator().device().type() == kNpu) {
      value = like(value.toGenerator());
    }
  }

  void refuse_host_tensors() const {
    for (size_t i = 0; i < given_.size(); ++i) {
      if (!given_[i].isTensor()) continue;
      const Tensor& tensor = given_[i].toTensor();
      if (tensor.defined() && tensor.is_cpu() && tensor.dim() > 0) refuse(tensor, schema_.arguments()[i].name());
    }
  }

  // An out= tensor that the CPU's kernel has resized.
  void adopt_resized() {
    for (auto& [tensor, host] : pairs_) {
      if (host.numel() == 0 || host.sizes() == tensor.sizes()) continue;
      tensor.resize_(host.sizes());
      as_host(tensor).copy_(host);
    }
  }

  // A view of an argument stays a view; anything new becomes memory of the device, contiguous as the NPU's results are.
  Tensor on_device(const Tensor& host) const {
    if (!host.defined() || host.device().type() == kNpu) return host;
    const void* memory = host.storage().data();
    for (const auto& [tensor, alias] : pairs_) {
      if (memory != nullptr && alias.storage().data() == memory)
        return at::as_strided(tensor, host.sizes(), host.strides(), host.storage_offset());
    }
    Tensor fresh = at::empty(host.sizes(), host.options().device(*device_));
    as_host(fresh).copy_(host);
    return fresh;
  }

  const c10::IValue* written_argument(const c10::AliasInfo& result) const {
    for (size_t i = 0; i < given_.size(); ++i) {
      const auto* info = schema_.arguments()[i].alias_info();
      if (info != nullptr && *info == result) return &given_[i];
    }
    return nullptr;
  }

  void adopt_results() {
    const size_t first = stack_.size() - schema_.returns().size();
    for (size_t i = 0; i < schema_.returns().size(); ++i) {
      auto& value = stack_[first + i];
      const auto* info = schema_.returns()[i].alias_info();
      if (info != nullptr && info->isWrite()) {
        if (const auto* argument = written_argument(*info)) value = *argument;
      } else if (value.isTensor()) {
        value = on_device(value.toTensor());
      } else if (value.isTensorList()) {
        c10::List<Tensor> list;
        for (const Tensor& tensor : value.toTensorVector()) list.push_back(on_device(tensor));
        value = list;
      }
    }
  }
};

void spoil(Stack* stack, size_t results) {
  for (size_t i = stack->size() - results; i < stack->size(); ++i) {
    auto& value = (*stack)[i];
    if (value.isTensor() && value.toTensor().is_floating_point())
      as_host(value.toTensor()).fill_(std::numeric_limits<double>::quiet_NaN());
  }
}

void simulated(const OperatorHandle& op, Stack* stack) {
  const auto fault = faults.find(op.schema().name());
  const std::string kind = fault == faults.end() ? "" : fault->second;
  if (kind == "hang") std::this_thread::sleep_for(std::chrono::hours(1));
  TORCH_CHECK(kind != "error", op.schema().name(), ": NPU function error: the injected failure, error code is 507015",
              kMark);
  Call(op, stack).run(op);
  if (kind == "nan") spoil(stack, op.schema().returns().size());
}

// --- operators that need another form --------------------------------------------------------------------------------

Tensor& copy_(Tensor& to, const Tensor& from, bool) {
  finished(to).copy_(finished(from));
  return to;
}
Tensor copy_from(const Tensor& from, const Tensor& to, bool) {
  finished(to).copy_(finished(from));
  return to;
}
Tensor copy_from_and_resize(const Tensor& from, const Tensor& to) {
  if (to.sizes() != from.sizes()) to.resize_(from.sizes());
  finished(to).copy_(finished(from));
  return to;
}
at::Scalar local_scalar(const Tensor& tensor) { return finished(tensor).item(); }
Tensor cloned(const Tensor& tensor, std::optional<at::MemoryFormat>) {
  Tensor copy = at::empty(tensor.sizes(), tensor.options());
  finished(copy).copy_(finished(tensor));
  return copy;
}
Tensor contiguous(const Tensor& tensor, at::MemoryFormat format) {
  return tensor.is_contiguous(format) ? tensor : cloned(tensor, format);
}

const OperatorHandle& schema_of(const char* name) {
  static std::map<std::string, OperatorHandle> known;
  auto found = known.find(name);
  if (found == known.end())
    found = known.emplace(name, c10::Dispatcher::singleton().findSchemaOrThrow(name, "")).first;
  return found->second;
}

Tensor convolution(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias, at::IntArrayRef stride,
                   at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed, at::IntArrayRef output_padding,
                   int64_t groups) {
  Stack stack;
  const auto given = bias.has_value() && bias->defined() ? c10::IValue(*bias) : c10::IValue();
  torch::jit::push(stack, input, weight, given, stride, padding, dilation, transposed, output_padding, groups,
                   /*benchmark=*/false, /*deterministic=*/false, /*cudnn_enabled=*/true, /*allow_tf32=*/true);
  simulated(schema_of("aten::_convolution"), &stack);
  return stack.back().toTensor();
}

std::tuple<Tensor, Tensor, Tensor> convolution_backward(
    const Tensor& gradient, const Tensor& input, const Tensor& weight, at::IntArrayRef stride, at::IntArrayRef padding,
    at::IntArrayRef dilation, bool transposed, at::IntArrayRef output_padding, int64_t groups,
    std::array<bool, 3> wanted) {
  const std::vector<int64_t> bias_sizes{transposed ? weight.size(1) * groups : weight.size(0)};
  c10::List<bool> mask;
  for (bool one : wanted) mask.push_back(one);
  Stack stack;
  torch::jit::push(stack, gradient, input, weight, bias_sizes, stride, padding, dilation, transposed, output_padding,
                   groups, mask);
  simulated(schema_of("aten::convolution_backward"), &stack);
  const auto result = [&](size_t i) {
    const auto& value = stack[stack.size() - 3 + i];
    return value.isNone() ? Tensor() : value.toTensor();
  };
  return {result(0), result(1), result(2)};
}

// npu_dtype_cast and its relatives: the dtype is the second argument in every release, what follows differs.
void dtype_cast(const OperatorHandle& op, Stack* stack) {
  const size_t base = stack->size() - op.schema().arguments().size();
  const Tensor tensor = (*stack)[base].toTensor();
  const auto dtype = static_cast<at::ScalarType>((*stack)[base + 1].toInt());
  stack->resize(base);
  stack->push_back(tensor.to(dtype));
}

// The real one is a fused kernel (aclnnFlashAttentionScore); here it is taken apart.
Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value, const std::optional<Tensor>& mask,
                 double dropout, bool causal, std::optional<double> scale, bool grouped) {
  return std::get<0>(
      at::_scaled_dot_product_attention_math(query, key, value, mask, dropout, causal, std::nullopt, scale, grouped));
}

// --- registration ----------------------------------------------------------------------------------------------------

// What stays torch_npu's: making memory and looking at it in another way.
const std::set<std::string> kKept = {
    "empty", "empty_strided", "empty_like", "new_empty_strided", "empty_with_format", "unsafe_empty_with_format",
    "empty_with_swapped_memory", "as_strided", "as_strided_", "view", "_reshape_alias", "resize_", "resize_as_", "set_",
    "is_set_to", "is_pinned", "_pin_memory", "record_stream", "squeeze", "unsqueeze", "unfold", "view_as_real",
    "view_as_complex", "_lazy_clone", "_has_compatible_shallow_copy_type",
};
const std::set<std::string> kOwnForm = {
    "copy_", "_copy_from", "_copy_from_and_resize", "_local_scalar_dense", "clone", "contiguous", "_to_copy",
    "convolution_overrideable", "convolution_backward_overrideable",
};

std::unique_ptr<torch::Library> library(const char* name, DispatchKey key) {
  return std::make_unique<torch::Library>(torch::Library::IMPL, name, key, __FILE__, __LINE__);
}

std::vector<std::unique_ptr<torch::Library>> registrations;  // kept: their end would take the kernels away

int replace_kernels() {
  auto& dispatcher = c10::Dispatcher::singleton();
  auto aten = library("aten", DispatchKey::PrivateUse1);
  int replaced = 0;
  for (const auto& found : dispatcher.getRegistrationsForDispatchKey(DispatchKey::PrivateUse1)) {
    if (found.name.rfind("aten::", 0) != 0 || !dispatcher.findSchema(found)) continue;
    const std::string name = found.name.substr(6);
    const auto fault = faults.find(found.name);
    if (fault != faults.end() && fault->second == "real") continue;
    if (kKept.count(name) > 0 || (kOwnForm.count(name) > 0 && found.overload_name.empty())) continue;
    const std::string overload = found.overload_name.empty() ? name : name + "." + found.overload_name;
    aten->impl(overload.c_str(), torch::CppFunction::makeFromBoxedFunction<&simulated>());
    ++replaced;
  }
  aten->impl("copy_", &copy_);
  aten->impl("_copy_from", &copy_from);
  aten->impl("_copy_from_and_resize", &copy_from_and_resize);
  aten->impl("_local_scalar_dense", &local_scalar);
  aten->impl("clone", &cloned);
  aten->impl("contiguous", &contiguous);
  aten->impl("_to_copy", &at::native::_to_copy);
  aten->impl("convolution_overrideable", &convolution);
  aten->impl("convolution_backward_overrideable", &convolution_backward);
  auto npu = library("npu", DispatchKey::PrivateUse1);
  for (const char* name : {"npu_dtype_cast", "npu_dtype_cast_backward", "_npu_dtype_cast", "_npu_dtype_cast_backward"}) {
    if (dispatcher.findSchema({std::string("npu::") + name, ""}))
      npu->impl(name, torch::CppFunction::makeFromBoxedFunction<&dtype_cast>());
  }
  auto autograd = library("aten", DispatchKey::AutogradPrivateUse1);
  autograd->impl("scaled_dot_product_attention", &attention);
  registrations.push_back(std::move(aten));
  registrations.push_back(std::move(npu));
  registrations.push_back(std::move(autograd));
  return replaced;
}

void read_faults(const std::string& text) {  // aten::mm=nan;aten::relu=hang
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ';');) {
    const auto split = part.find('=');
    TORCH_CHECK(split != std::string::npos, "a fault is written operator=kind, not '", part, "'");
    faults[part.substr(0, split)] = part.substr(split + 1);
  }
}

}  // namespace

// Replaces the kernels; returns how many, or -1 with the reason in `why` (of at least 512 bytes).
extern "C" __attribute__((visibility("default"))) int simnpu_install(RoundingOf rounding, Synchronize wait,
                                                                     Draw draw_from, double latency_us,
                                                                     const char* injected, char* why) {
  try {
    void* cann = dlopen("libascendcl.so", RTLD_NOW | RTLD_NOLOAD);
    TORCH_CHECK(cann != nullptr && dlsym(cann, "simcann_marker") != nullptr,
                "refusing to replace kernels: libascendcl.so is not the simulated one");
    charge = reinterpret_cast<decltype(charge)>(dlsym(cann, "simcann_charge"));
    impatient = reinterpret_cast<decltype(impatient)>(dlsym(cann, "simcann_impatient"));
    rounding_of = rounding;
    synchronize = wait;
    draw = draw_from;
    latency_ms = latency_us * 1e-3;
    read_faults(injected);
    return replace_kernels();
  } catch (const std::exception& error) {
    std::snprintf(why, 512, "%s", error.what());
    return -1;
  }
}
