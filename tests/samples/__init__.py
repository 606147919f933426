"""Small, complete, consistent examples of what the parts hand to each other: specs and records.

Every builder returns the example of a good run (a real NPU, trained weights, everything passes) and takes the fields
that shall differ as keyword arguments. The records are bound to ``eval_spec()`` unless another ``spec`` is given. No
torch and no numpy, so that tests of what reads records stay as light as what they test.
"""

from samples.agreement import (
    detection_pair,
    detections,
    difference,
    lone_detection,
    ranking,
    repeated,
)
from samples.asked import PHOTOS, criterion, eval_spec, model_facts, spec_file, tool_version
from samples.circumstances import (
    bundle_origin,
    cpu_facts,
    device_facts,
    host_facts,
    machine_state,
    npu_proof,
    provenance,
    random_weights,
    simulated_facts,
    weights_facts,
)
from samples.dataset import class_data, comparison, dataset_data, dataset_record, detection_scores, image_set
from samples.inference import inference_record, photo_result, predictions
from samples.localisation import WRONG_ARGUMENT, localisation_data, localisation_record, located
from samples.optimisation import (
    NO_TCMALLOC,
    breaking_precision,
    optimisation_data,
    optimisation_record,
    pair,
    refused_trial,
    sweep_run,
    trial,
)
from samples.performance import (
    end_to_end,
    fresh_process,
    latency_run,
    out_of_memory_run,
    performance_data,
    performance_record,
    sampled_output,
    throughput_run,
)
from samples.precision import precision_data, precision_record, switching
from samples.recorded import CODE_SHA256, record
from samples.timed import latency_samples
from samples.together import all_records, records
from samples.training import training_data, training_record

__all__ = [
    "CODE_SHA256",
    "NO_TCMALLOC",
    "PHOTOS",
    "WRONG_ARGUMENT",
    "all_records",
    "breaking_precision",
    "bundle_origin",
    "class_data",
    "comparison",
    "cpu_facts",
    "criterion",
    "dataset_data",
    "dataset_record",
    "detection_pair",
    "detection_scores",
    "detections",
    "device_facts",
    "difference",
    "end_to_end",
    "eval_spec",
    "fresh_process",
    "host_facts",
    "image_set",
    "inference_record",
    "latency_run",
    "latency_samples",
    "localisation_data",
    "localisation_record",
    "located",
    "lone_detection",
    "machine_state",
    "model_facts",
    "npu_proof",
    "optimisation_data",
    "optimisation_record",
    "out_of_memory_run",
    "pair",
    "performance_data",
    "performance_record",
    "photo_result",
    "precision_data",
    "precision_record",
    "predictions",
    "provenance",
    "random_weights",
    "ranking",
    "record",
    "records",
    "refused_trial",
    "repeated",
    "sampled_output",
    "simulated_facts",
    "spec_file",
    "sweep_run",
    "switching",
    "throughput_run",
    "tool_version",
    "training_data",
    "training_record",
    "trial",
    "weights_facts",
]
