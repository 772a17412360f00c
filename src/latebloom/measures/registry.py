"""The one list of measures."""

from latebloom.measures.activations import ACTIVATIONS
from latebloom.measures.alignment import ALIGNMENT, ALIGNMENT_BLOCKS
from latebloom.measures.alignment_update import ALIGNMENT_UPDATE
from latebloom.measures.attention import ATTENTION, ATTENTION_FOURIER
from latebloom.measures.by_answer import BY_ANSWER
from latebloom.measures.circles import CIRCLES
from latebloom.measures.circuit_size import CIRCUIT_SIZE
from latebloom.measures.clock_pizza import CLOCK_PIZZA
from latebloom.measures.commutator import COMMUTATOR
from latebloom.measures.corruption import CORRUPTION
from latebloom.measures.cosets import COSETS
from latebloom.measures.excluded import EXCLUDED
from latebloom.measures.fit import FIT
from latebloom.measures.fourier import FOURIER
from latebloom.measures.gradient_noise import GRADIENT_NOISE
from latebloom.measures.irrep_shares import IRREP_SHARES
from latebloom.measures.irreps import IRREPS_OF_LOGITS
from latebloom.measures.kernel import KERNEL
from latebloom.measures.keys import KEYS
from latebloom.measures.learning_coefficient import LEARNING_COEFFICIENT
from latebloom.measures.local_complexity import LOCAL_COMPLEXITY
from latebloom.measures.logit_structure import LOGIT_STRUCTURE
from latebloom.measures.neurons import NEURONS
from latebloom.measures.norms import NORMS
from latebloom.measures.numerics import ADAM_EPSILON, NUMERICS
from latebloom.measures.ranks import HIDDEN_RANKS, RANKS
from latebloom.measures.record import Measure, Record
from latebloom.measures.representation import REPRESENTATION
from latebloom.measures.restricted import RESTRICTED, RESTRICTED_BLOCK
from latebloom.measures.shrinkage import SHRINKAGE
from latebloom.measures.sparsity import SPARSITY
from latebloom.measures.spectrum import SPECTRUM, SPECTRUM_DENSITY
from latebloom.measures.updates import UPDATE_PARTS, UPDATE_SIZE

# one a line, so that adding a measure touches one line
MEASURES: tuple[Measure, ...] = (
    FIT,
    BY_ANSWER,
    CORRUPTION,
    NORMS,
    SPARSITY,
    FOURIER,
    KEYS,
    NEURONS,
    LOGIT_STRUCTURE,
    RESTRICTED,
    RESTRICTED_BLOCK,
    EXCLUDED,
    SHRINKAGE,
    ACTIVATIONS,
    RANKS,
    HIDDEN_RANKS,
    CIRCUIT_SIZE,
    NUMERICS,
    ADAM_EPSILON,
    UPDATE_SIZE,
    UPDATE_PARTS,
    ATTENTION,
    ATTENTION_FOURIER,
    CLOCK_PIZZA,
    CIRCLES,
    REPRESENTATION,
    KERNEL,
    GRADIENT_NOISE,
    COMMUTATOR,
    LOCAL_COMPLEXITY,
    LEARNING_COEFFICIENT,
    ALIGNMENT,
    ALIGNMENT_UPDATE,
    ALIGNMENT_BLOCKS,
    SPECTRUM,
    SPECTRUM_DENSITY,
    IRREPS_OF_LOGITS,
    IRREP_SHARES,
    COSETS,
)
RECORDS: dict[str, Record] = {record.name: record for measure in MEASURES for record in measure.records}
