/** Signatures of the ABIs of modules, written from their rows by `node docs/build.ts`; signatures.ts reads them. */
export const moduleSignatures = `
abi cwa cwa env
log_write i32 i32 i32 ->
env_get i32 i32 i32 i32 -> i32
runtime_spec_major -> i32
runtime_spec_minor -> i32
runtime_name i32 i32 -> i32
runtime_msleep i32 -> waits
runtime_exit i32 ->
startup_arg_len -> i32
startup_arg_at i32 i32 i32 -> i32
resource_open i32 i32 -> i32 waits
resource_read i32 i32 i32 -> i32 waits
resource_write i32 i32 i32 -> i32 waits
resource_close i32 -> waits
resource_close i32 -> i32 waits
resource_flush i32 -> i32 waits
time_now -> i64
io_get_stdin -> i32
io_get_stdout -> i32
io_get_stderr -> i32
random_i32 -> i32
random_i64 -> i64
abi dagger dagger
open i32 i32 -> i32 waits loose-ints
close i32 -> i32 waits loose-ints
read i32 i32 i32 -> i32 waits loose-ints
write i32 i32 i32 -> i32 waits loose-ints
sync i32 -> i32 waits loose-ints
flush i32 -> i32 waits loose-ints
abi land env
open i32 i32 -> i32 waits loose-ints
close i32 -> i32 waits loose-ints
read i32 i32 i32 -> i32 waits loose-ints
write i32 i32 i32 -> i32 waits loose-ints
abi h h
h i32 -> waits
abi wasi wasi_snapshot_preview1
args_get i32 i32 -> i32
args_sizes_get i32 i32 -> i32
environ_get i32 i32 -> i32
environ_sizes_get i32 i32 -> i32
clock_res_get i32 i32 -> i32
clock_time_get i32 i64 i32 -> i32
fd_advise i32 i64 i64 i32 -> i32
fd_allocate i32 i64 i64 -> i32
fd_close i32 -> i32 waits
fd_datasync i32 -> i32 waits
fd_fdstat_get i32 i32 -> i32
fd_fdstat_set_flags i32 i32 -> i32
fd_fdstat_set_rights i32 i64 i64 -> i32
fd_filestat_set_size i32 i64 -> i32
fd_filestat_set_times i32 i64 i64 i32 -> i32
fd_pread i32 i32 i32 i64 i32 -> i32
fd_prestat_get i32 i32 -> i32
fd_prestat_dir_name i32 i32 i32 -> i32
fd_pwrite i32 i32 i32 i64 i32 -> i32
fd_read i32 i32 i32 i32 -> i32 waits
fd_readdir i32 i32 i32 i64 i32 -> i32
fd_renumber i32 i32 -> i32 waits
fd_sync i32 -> i32 waits
fd_tell i32 i32 -> i32
fd_write i32 i32 i32 i32 -> i32 waits
path_create_directory i32 i32 i32 -> i32
path_filestat_set_times i32 i32 i32 i32 i64 i64 i32 -> i32
path_link i32 i32 i32 i32 i32 i32 i32 -> i32
path_open i32 i32 i32 i32 i32 i64 i64 i32 i32 -> i32 waits
path_readlink i32 i32 i32 i32 i32 i32 -> i32
path_remove_directory i32 i32 i32 -> i32
path_rename i32 i32 i32 i32 i32 i32 -> i32
path_symlink i32 i32 i32 i32 i32 -> i32
path_unlink_file i32 i32 i32 -> i32
proc_exit i32 ->
proc_raise i32 -> i32
sched_yield -> i32 waits
random_get i32 i32 -> i32 waits
sock_recv i32 i32 i32 i32 i32 i32 -> i32 waits
sock_send i32 i32 i32 i32 i32 -> i32 waits
sock_shutdown i32 i32 -> i32 waits
sock_accept i32 i32 i32 -> i32
fd_filestat_get i32 i32 -> i32
fd_seek i32 i64 i32 i32 -> i32
path_filestat_get i32 i32 i32 i32 i32 -> i32
poll_oneoff i32 i32 i32 i32 -> i32 waits
abi wasi wasi_unstable
args_get i32 i32 -> i32
args_sizes_get i32 i32 -> i32
environ_get i32 i32 -> i32
environ_sizes_get i32 i32 -> i32
clock_res_get i32 i32 -> i32
clock_time_get i32 i64 i32 -> i32
fd_advise i32 i64 i64 i32 -> i32
fd_allocate i32 i64 i64 -> i32
fd_close i32 -> i32 waits
fd_datasync i32 -> i32 waits
fd_fdstat_get i32 i32 -> i32
fd_fdstat_set_flags i32 i32 -> i32
fd_fdstat_set_rights i32 i64 i64 -> i32
fd_filestat_set_size i32 i64 -> i32
fd_filestat_set_times i32 i64 i64 i32 -> i32
fd_pread i32 i32 i32 i64 i32 -> i32
fd_prestat_get i32 i32 -> i32
fd_prestat_dir_name i32 i32 i32 -> i32
fd_pwrite i32 i32 i32 i64 i32 -> i32
fd_read i32 i32 i32 i32 -> i32 waits
fd_readdir i32 i32 i32 i64 i32 -> i32
fd_renumber i32 i32 -> i32 waits
fd_sync i32 -> i32 waits
fd_tell i32 i32 -> i32
fd_write i32 i32 i32 i32 -> i32 waits
path_create_directory i32 i32 i32 -> i32
path_filestat_set_times i32 i32 i32 i32 i64 i64 i32 -> i32
path_link i32 i32 i32 i32 i32 i32 i32 -> i32
path_open i32 i32 i32 i32 i32 i64 i64 i32 i32 -> i32 waits
path_readlink i32 i32 i32 i32 i32 i32 -> i32
path_remove_directory i32 i32 i32 -> i32
path_rename i32 i32 i32 i32 i32 i32 -> i32
path_symlink i32 i32 i32 i32 i32 -> i32
path_unlink_file i32 i32 i32 -> i32
proc_exit i32 ->
proc_raise i32 -> i32
sched_yield -> i32 waits
random_get i32 i32 -> i32 waits
sock_recv i32 i32 i32 i32 i32 i32 -> i32 waits
sock_send i32 i32 i32 i32 i32 -> i32 waits
sock_shutdown i32 i32 -> i32 waits
fd_filestat_get i32 i32 -> i32
fd_seek i32 i64 i32 i32 -> i32
path_filestat_get i32 i32 i32 i32 i32 -> i32
poll_oneoff i32 i32 i32 i32 -> i32 waits
`;
