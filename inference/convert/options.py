"""What a conversion may choose; all of it enters the provenance, because all of it changes the bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConvertOptions:
    """Number formats and changes of basis of a conversion."""

    layer_bits: int = 8  # stored bits of a weight in the layers
    head_bits: int = 8  # and in the output matrix
    rotate: bool = True  # spread outliers of the residual stream and of the values over all dimensions
    rotate_ffn: bool = True  # the same for the input of w2, which costs some additions at run time
    second_order: bool = True  # 4-bit weights are rounded so that errors cancel, over text that the model writes itself

    @property
    def calibrated(self) -> bool:
        return self.second_order and 4 in (self.layer_bits, self.head_bits)


def ffn_rotation(options: ConvertOptions, ffn_dim: int) -> int:
    """log2 of the largest block that divides the width, at most 512; 0 if the blocks would be too short to help."""
    if not options.rotate_ffn:
        return 0
    log2 = (ffn_dim & -ffn_dim).bit_length() - 1
    return min(log2, 9) if log2 >= 6 else 0
