/** A program that uses what is not for it. */
module intruder {
  requires io.warmstep;
}
