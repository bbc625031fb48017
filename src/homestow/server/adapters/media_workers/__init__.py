"""Reading pictures, films and sounds in processes apart from the server (S95, S96, S99, S100).

Public: `pool.WorkerPool`, the `ports.media.MediaTools` that a server uses. `worker` is the program of such a process;
`confine` takes away from it what it does not need; `pictures`, `raw`, `exif` and `films` do the reading there.
"""
