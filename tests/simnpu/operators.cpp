// SIMULATED CANN runtime, second part: what torch_npu sets up for operators, and everything that is not simulated.
//
// There are no kernels here: an operator that reaches this stub fails loudly and leaves the device broken. The kernels
// of kernels.cpp never come here.
#include "machine.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <vector>

using sim::Machine;
using sim::Status;

// --- descriptors of tensors and attributes, as the older operators of torch_npu fill them ----------------------------

struct TensorDescription {
  int type;
  int format;
  std::vector<int64_t> sizes;
  std::string name;
};

struct DataBuffer {
  void* data;
  size_t bytes;
};

STUB DataBuffer* aclCreateDataBuffer(void* data, size_t bytes) { return new DataBuffer{data, bytes}; }
STUB Status aclDestroyDataBuffer(const DataBuffer* buffer) {
  delete buffer;
  return sim::kOk;
}
STUB TensorDescription* aclCreateTensorDesc(int type, int rank, const int64_t* sizes, int format) {
  return new TensorDescription{type, format, {sizes, sizes + rank}, {}};
}
STUB void aclDestroyTensorDesc(const TensorDescription* tensor) { delete tensor; }
STUB Status aclGetTensorDescDimV2(const TensorDescription* tensor, size_t axis, int64_t* size) {
  *size = tensor->sizes.at(axis);
  return sim::kOk;
}
STUB int aclGetTensorDescFormat(const TensorDescription* tensor) { return tensor->format; }
STUB size_t aclGetTensorDescNumDims(const TensorDescription* tensor) { return tensor->sizes.size(); }
STUB int aclGetTensorDescType(const TensorDescription* tensor) { return tensor->type; }
STUB void aclSetTensorDescName(TensorDescription* tensor, const char* name) { tensor->name = name; }
STUB Status aclSetTensorFormat(TensorDescription* tensor, int format) {
  tensor->format = format;
  return sim::kOk;
}
STUB Status aclSetTensorPlaceMent(TensorDescription*, int) { return sim::kOk; }
STUB Status aclSetTensorShape(TensorDescription*, int, const int64_t*) { return sim::kOk; }

STUB void* aclopCreateAttr() { return new char; }
STUB void aclopDestroyAttr(const void* attributes) { delete static_cast<const char*>(attributes); }
STUB Status aclopSetAttrBool(void*, const char*, uint8_t) { return sim::kOk; }
STUB Status aclopSetAttrDataType(void*, const char*, int) { return sim::kOk; }
STUB Status aclopSetAttrFloat(void*, const char*, float) { return sim::kOk; }
STUB Status aclopSetAttrInt(void*, const char*, int64_t) { return sim::kOk; }
STUB Status aclopSetAttrString(void*, const char*, const char*) { return sim::kOk; }
STUB Status aclopSetAttrListBool(void*, const char*, int, const uint8_t*) { return sim::kOk; }
STUB Status aclopSetAttrListFloat(void*, const char*, int, const float*) { return sim::kOk; }
STUB Status aclopSetAttrListInt(void*, const char*, int, const int64_t*) { return sim::kOk; }
STUB Status aclopSetAttrListListInt(void*, const char*, int, const int*, const int64_t* const[]) { return sim::kOk; }

// --- operators -------------------------------------------------------------------------------------------------------

STUB Status aclopCompileAndExecute(const char* name, int inputs, const TensorDescription* const[],
                                   const DataBuffer* const input[], int outputs, const TensorDescription* const[],
                                   DataBuffer* const output[], const void*, int, int, const char*, void*) {
  if (std::strcmp(name, "Identity") == 0 && inputs == 1 && outputs == 1) {
    std::memcpy(output[0]->data, input[0]->data, std::min(input[0]->bytes, output[0]->bytes));
    return sim::kOk;
  }
  return Machine::get().break_down(std::string("there is no kernel for the operator ") + name);
}
STUB Status aclSetCompileopt(int, const char*) { return sim::kOk; }
STUB size_t aclGetCompileoptSize(int) { return 1024; }
STUB Status aclGetCompileopt(int, char* value, size_t) {
  value[0] = '\0';
  return sim::kOk;
}

// One operator of the new kind, whose status the test chooses: torch_npu writes the real text of the error.
STUB Status aclnnCumsumGetWorkspaceSize(...) {
  sim::set_error("EZ1001: the injected failure of aclnnCumsum");
  return Machine::get().aclnn_status;
}
STUB Status aclnnCumsum(...) { return Machine::get().aclnn_status; }

// --- versions, options, switches -------------------------------------------------------------------------------------

STUB Status aclsysGetVersionStr(char*, char* version) {
  std::strcpy(version, Machine::get().cann_version.c_str());
  return sim::kOk;
}
STUB Status aclsysGetCANNVersion(int, void* version) {
  struct Version {
    char whole[128], major[64], minor[64], release[64], patch[64], reserved[128];
  };
  auto* found = static_cast<Version*>(version);
  std::memset(found, 0, sizeof *found);
  std::snprintf(found->whole, sizeof found->whole, "%s", Machine::get().cann_version.c_str());
  std::sscanf(found->whole, "%63[0-9].%63[0-9].%63[0-9]", found->major, found->minor, found->release);
  return sim::kOk;
}
STUB Status aclGetCannAttribute(int, int32_t* value) {
  *value = 1;
  return sim::kOk;
}
STUB Status aclGetCannAttributeList(const int** list, size_t* count) {
  static const int attributes[] = {0, 1, 2};
  *list = attributes;
  *count = 3;
  return sim::kOk;
}
STUB Status aclrtSetDeviceSatMode(int) { return sim::kOk; }
STUB Status aclrtGetDeviceSatMode(int* mode) {
  *mode = 1;  // infinities and NaNs are kept: the default from 910B on
  return sim::kOk;
}
STUB Status aclrtSetOpWaitTimeout(uint32_t) { return sim::kOk; }
STUB Status aclrtSetOpExecuteTimeOut(uint32_t) { return sim::kOk; }
STUB Status aclrtSetOpExecuteTimeOutV2(uint64_t, uint64_t* actual) {
  if (actual != nullptr) *actual = 0;
  return sim::kOk;
}
STUB Status aclrtSetSysParamOpt(int, int64_t) { return sim::kOk; }
STUB Status aclrtCtxSetSysParamOpt(int, int64_t) { return sim::kOk; }
STUB Status aclrtGetSysParamOpt(int, int64_t* value) {
  *value = 0;
  return sim::kOk;
}
STUB Status aclmdlInitDump() { return sim::kOk; }
STUB Status aclmdlSetDump(const char*) { return sim::kOk; }
STUB Status aclmdlFinalizeDump() { return sim::kOk; }

STUB void aclAppLog(int level, const char*, const char*, uint32_t, const char* format, ...) {
  constexpr int kWarning = 2;
  if (!Machine::get().trace || level < kWarning) return;
  va_list values;
  va_start(values, format);
  std::fputs("[SIMULATED NPU] log: ", stderr);
  std::vfprintf(stderr, format, values);
  std::fputc('\n', stderr);
  va_end(values);
}

// --- profiling: accepted and dropped ---------------------------------------------------------------------------------

STUB uint64_t MsprofGetHashId(const char*, size_t) { return 0; }
STUB uint64_t MsprofSysCycleTime() { return 0; }
STUB int32_t MsprofRegisterCallback(uint32_t, void*) { return 0; }
STUB int32_t MsprofReportAdditionalInfo(uint32_t, void*, uint32_t) { return 0; }
STUB int32_t MsprofReportApi(uint32_t, const void*) { return 0; }
STUB int32_t MsprofReportCompactInfo(uint32_t, void*, uint32_t) { return 0; }
STUB int rtDevBinaryRegister(...) { return 0; }
STUB int rtFunctionRegister(...) { return 0; }
STUB int rtGetC2cCtrlAddr(...) { return 0; }
STUB int rtKernelLaunch(...) { return 0; }

// --- not simulated: virtual memory (expandable segments), sharing between processes, own kernels, collectives ---------

#define NOT_SIMULATED(function) \
  STUB Status function(...) { return sim::unsupported(#function); }
NOT_SIMULATED(aclrtReserveMemAddress)
NOT_SIMULATED(aclrtReleaseMemAddress)
NOT_SIMULATED(aclrtMallocPhysical)
NOT_SIMULATED(aclrtFreePhysical)
NOT_SIMULATED(aclrtMapMem)
NOT_SIMULATED(aclrtUnmapMem)
NOT_SIMULATED(aclrtMemExportToShareableHandle)
NOT_SIMULATED(aclrtMemImportFromShareableHandle)
NOT_SIMULATED(aclrtMemSetPidToShareableHandle)
NOT_SIMULATED(aclrtBinaryGetFunction)
NOT_SIMULATED(aclrtBinaryLoadFromData)
NOT_SIMULATED(aclrtGetFunctionAddr)
NOT_SIMULATED(HcclAllGather)
NOT_SIMULATED(HcclAllReduce)
NOT_SIMULATED(HcclBroadcast)
NOT_SIMULATED(HcclCommDestroy)
NOT_SIMULATED(HcclCommInitAll)
NOT_SIMULATED(HcclCommInitRootInfo)
NOT_SIMULATED(HcclGetRootInfo)
NOT_SIMULATED(HcclRecv)
NOT_SIMULATED(HcclReduceScatter)
NOT_SIMULATED(HcclSend)
