"""The parts of `tree_disk`: handles, private folder, open files, publishing. Nothing here is public beyond it."""
