"""The third line of evidence: neurons and heads by polynomials of one frequency, and the logits by cosines."""

from __future__ import annotations

from collections.abc import Sequence

from latebloom.analysis.circuits.bench import Bench
from latebloom.analysis.circuits.evidence import Evidence, Row, share
from latebloom.measures.clock_pizza import operand_positions
from latebloom.measures.neurons import CLUSTER, NeuronFit, neuron_fit
from latebloom.measures.record import Record, labelled

NANDA = "Nanda et al. 2023 (arXiv 2301.05217)"
POLYNOMIAL = "the (up to) 8 products of 1, cos, sin(w_k a) and 1, cos, sin(w_k b)"

RECORDS = (
    Record(
        "neurons_clustered",
        "Number of neurons of one frequency",
        f"number of neurons with max_k FVE_k > {CLUSTER}",
        "1",
        f"last MLP layer after its non-linearity; FVE_k: energy of {POLYNOMIAL} over the variance; k over all "
        "frequencies; neurons that never vary are in no cluster",
        f"{NANDA}; their code",
        disputes="the repository's loop leaves out k = (p − 1) / 2",
        better="higher",
    ),
    Record(
        "neurons_dead",
        "Neurons that never vary",
        "number of neurons whose activation is the same for all pairs",
        "1",
        "exactly, in float64",
        "here",
    ),
    Record(
        "head_fve_least",
        "Least FVE of a head by one frequency",
        "min over the heads of max_k FVE_k of the weight that the last position gives the first operand",
        "share",
        f"FVE_k: energy of {POLYNOMIAL} over the variance; all layers",
        f"{NANDA}, Table 2",
    ),
    Record(
        "neuron_fve",
        "FVE of each neuron by its best frequency",
        "max_k FVE_k",
        "share",
        "as neurons_clustered; NaN for neurons that never vary",
        f"{NANDA}; their code",
        axes=("neuron",),
    ),
    Record(
        "neuron_frequency",
        "Best frequency of each neuron",
        "argmax_k FVE_k",
        "1",
        "as neurons_clustered; 0 for neurons that never vary",
        f"{NANDA}; their code",
        axes=("neuron",),
    ),
    Record(
        "clusters",
        "Neurons of each frequency",
        f"number of neurons with argmax_k FVE_k = k and FVE_k > {CLUSTER}",
        "neurons",
        "as neurons_clustered; frequencies that have some, and all key frequencies",
        f"{NANDA}",
        axes=("frequency",),
    ),
    Record(
        "heads",
        "Heads by one frequency",
        "max_k FVE_k of the weight that the last position gives the first operand, and k; mean weight of each position",
        "share",
        "as head_fve_least",
        f"{NANDA}, Table 2",
        axes=("head",),
    ),
)


def neurons(bench: Bench, keys: Sequence[int], fit: NeuronFit) -> Evidence:
    """How many neurons one frequency explains, and which frequencies."""
    live = fit.fve[~fit.fve.isnan()]
    sizes = fit.cluster_sizes
    rows: list[Row] = [
        {"frequency": k, "neurons": int(sizes[k - 1]), "key": k in keys}
        for k in range(1, len(sizes) + 1)
        if sizes[k - 1] or k in keys
    ]
    clustered = int(fit.clustered.sum())
    labels = list(range(len(fit.fve)))
    return Evidence(
        {
            "neurons_clustered": clustered,
            "neuron_fve_share": share(clustered, len(fit.fve)),
            "neurons_dead": len(fit.fve) - len(live),
            "neuron_fve_median": float(live.quantile(0.5)) if len(live) else float("nan"),
        },
        tables={"clusters": rows},
        arrays={
            "neuron_frequency": labelled(fit.frequency.double(), {"neuron": labels}),
            "neuron_fve": labelled(fit.fve, {"neuron": labels}),
        },
    )


def heads(bench: Bench) -> Evidence:
    """What one frequency explains of the weight that each head gives the first operand (Table 2)."""
    if not bench.patterns:
        return Evidence(missing={"heads": "the network has no attention"})
    positions = operand_positions(bench.probe.subject)
    if not positions:
        return Evidence(missing={"heads": "the operands are not read as tokens"})
    rows: list[Row] = []
    for name, pattern in bench.patterns.items():
        fit = neuron_fit(pattern[..., positions[0]])
        for head in range(pattern.shape[2]):
            weight = pattern[:, :, head].mean((0, 1)).tolist()
            rows.append(
                {
                    "layer": int(name.split(".")[1]),
                    "head": head,
                    "frequency": int(fit.frequency[head]) or None,
                    "fve": float(fit.fve[head]),
                    "weights": weight,
                }
            )
    known = [row["fve"] for row in rows if row["frequency"]]
    if not known:
        return Evidence(tables={"heads": rows}, missing={"heads": "the attention does not vary"})
    return Evidence({"head_fve_least": min(known)}, tables={"heads": rows})
