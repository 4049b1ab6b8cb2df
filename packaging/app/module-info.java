/** A program of a user's. */
module example {
  requires io.warmstep;
}
