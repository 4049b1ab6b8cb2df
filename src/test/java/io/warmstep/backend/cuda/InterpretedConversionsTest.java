package io.warmstep.backend.cuda;

import io.warmstep.contract.HalfConversionTest;
import org.junit.jupiter.api.Tag;

/** The shipped kernels' conversions of 16-bit types, which are instructions of their own. */
@Tag("ptxsim")
class InterpretedConversionsTest extends HalfConversionTest {}
