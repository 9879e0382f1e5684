// A stack trace that was asked for names lines of the sources. Maps are read of what is loaded from here on, which slows
// the start.
if (process.argv.includes("--debug")) process.setSourceMapsEnabled(true);
