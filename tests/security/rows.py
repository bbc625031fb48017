"""Which test shows which row of the list of threats, and which rows wait for a part that does not exist yet.

The numbers are those of the list (S01 to S112), which stand in the code beside the rules that come from them. A test in this
folder bears the numbers of its rows in its name, so only tests that stand elsewhere are named here, by file and function below
`tests/`. `test_rows.py` holds this table to the truth and prints it: `python -m tests.security.rows`.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]
HERE = Path(__file__).parent
LAST = 112
SHOULD = frozenset({13, 35, 58, 70, 81, 94, 111, 112})
"""Rows that are wished for by 1.0; all others must hold before any release."""


class State(Enum):
    """Where a row stands."""

    COVERED = "covered"
    IN_PART = "in part"
    WAITS = "waits"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Row:
    """One threat in a few words.

    Attributes:
        elsewhere: tests outside of this folder, `file::function` below `tests/`.
        waits: what is still missing, and for which part it waits; "" when nothing is.
        absent: why there is nothing to attack: the feature is not offered.
    """

    words: str
    elsewhere: tuple[str, ...] = ()
    waits: str = ""
    absent: str = ""

    def state(self, tests: tuple[str, ...]) -> State:
        """Where it stands, given all tests that show it."""
        if self.absent:
            return State.ABSENT
        if self.waits:
            return State.IN_PART if tests else State.WAITS
        return State.COVERED


SHARES = "waits for share links"
DAV = "waits for WebDAV"
WEB = "waits for the browser application"
FRONTS = "waits for WebDAV"

ISYNC = "fronts/isync/test_accounts.py"
HOSTILE, RIGHTS = "fronts/api/test_hostile.py", "fronts/api/test_rights.py"
SERVING, RECEIVING, SENDING = (f"fronts/http/test_{name}.py" for name in ("serving", "receiving", "sending"))
ACCOUNTS, ACCOUNT_ROWS, PEOPLE = "unit/test_accounts.py", "contracts/test_accounts.py", "unit/test_accounts_names.py"
TREE, STORE, RACES = (f"contracts/test_{name}.py" for name in ("tree_disk", "content_disk", "content_races"))
REMOTE, CLIENT = "unit/test_remote_api.py", "unit/test_http_client.py"
UPLOADS, FILES, SETTINGS = "unit/test_service_uploads.py", "unit/test_service_files.py", "unit/test_settings.py"
DITTO_AUTH = "unit/test_ditto_auth.py"
WORKERS = "unit/test_media_hostile.py"
TCP_STREAM, TCP_SERVING, TCP_BOTH = (f"fronts/tcp/test_{name}.py" for name in ("stream", "serving", "both"))
PI_FRAMES, PI_LOGINS, PI_ACCOUNTS, PI_TROUBLE = (
    f"fronts/picloud/test_{name}.py" for name in ("frames", "logins", "accounts", "trouble")
)
DRIVE, DRIVE_RIGHTS, DRIVE_BYTES = (
    f"fronts/netdrive/test_{name}.py" for name in ("documented_list", "rights", "framing")
)
LOCAL, BROWSER = (f"fronts/control_http/test_{name}.py" for name in ("safety", "browser"))
PORTS, MESSAGES, WIKI = (f"fronts/control/test_{name}.py" for name in ("ports", "messages", "wiki"))
SERVER, SYNC = "journeys/test_cli_server.py", "journeys/test_cli_sync.py"
PEOPLE_HERE, FOUND = "contracts/test_client_accounts.py", "fronts/http/test_announcing.py"

ROWS: dict[int, Row] = {
    1: Row(
        "names that climb",
        (f"{HOSTILE}::test_what_is_no_name", f"{HOSTILE}::test_paths_lead_nowhere", f"{HOSTILE}::test_absurd_targets",
         "contracts/test_content_names.py::test_what_no_disk_can_have_is_told"),
        waits=FRONTS,
    ),
    2: Row("two readings of a path", (f"{HOSTILE}::test_odd_names_are_names",), waits=FRONTS),
    3: Row(
        "links in the store",
        ("unit/test_disk_calls.py::test_no_way_leads_out", "unit/test_disk_calls.py::test_a_kernel_without_openat2_is_walked",
         f"{STORE}::test_a_racing_link_never_leads_out", f"{RACES}::test_a_link_put_in_the_way_leads_nowhere"),
    ),
    4: Row(
        "names a hostile server sends",
        (f"{REMOTE}::test_an_impossible_node_is_left_out_and_told", "contracts/test_localtree.py::test_what_is_no_name_is_trouble",
         "unit/test_cli_transfers.py::test_a_name_from_the_server_cannot_leave_the_target"),
    ),
    5: Row(
        "links in the synced folder",
        (f"{TREE}::test_no_call_goes_through_a_linked_ancestor",
         f"{TREE}::test_a_race_of_folder_and_symlink_writes_nothing_outside"),
    ),
    6: Row(
        "names of users as paths",
        (f"{PEOPLE}::test_names_that_build_paths_or_deceive_are_refused", f"{PEOPLE}::test_names_of_people_are_taken",
         "unit/test_roots.py::test_a_folder_that_is_there_is_somebody_elses"),
    ),
    7: Row("prefixes of paths", ("unit/test_roots.py::test_a_neighbour_of_a_similar_name_does_not_overlap",)),
    8: Row("rules on re-based paths", waits=SHARES),
    9: Row(
        "existence told by a difference",
        (f"{RIGHTS}::test_what_is_not_for_you_is_like_nothing", f"{RIGHTS}::test_an_upload_is_its_makers",
         f"{FILES}::test_who_may_not_know_is_told_nothing", f"{DRIVE_RIGHTS}::test_foreign_things_are_like_nothing"),
    ),
    10: Row("archives that climb", absent="nothing is unpacked"),
    11: Row("archives that burst", absent="nothing is unpacked"),
    12: Row(
        "modes of what we make",
        (f"{STORE}::test_hidden_areas_are_private", f"{STORE}::test_published_files_are_readable_as_their_folder_is",
         f"{STORE}::test_a_replaced_file_keeps_its_mode", f"{SERVER}::test_the_data_folder_is_its_owners_alone",
         f"{SETTINGS}::test_the_data_folder_is_made_for_its_owner_only", "unit/test_backup.py::test_backups_are_private_and_lie_beside"),
    ),
    13: Row(
        "twins of names",
        ("unit/test_outside.py::test_names_equal_after_composition_are_two_nodes",
         "unit/test_disk_calls.py::test_disks_that_fold_case_hide_every_spelling"),
    ),
    14: Row(
        "huge names and paths",
        (f"{HOSTILE}::test_deep_trees", f"{FILES}::test_absurd_names_are_refused", "unit/test_http_routing.py::test_a_deep_path_is_no_deep_trouble"),
    ),
    15: Row(
        "ranges without number",
        ("unit/test_http_ranges.py::test_absurdly_many_ranges_cost_nothing", f"{SENDING}::test_hundred_thousand_ranges_are_refused"),
    ),
    16: Row("multipart bodies", ("unit/test_packs.py::test_limits",), waits="multipart waits for isync; packs have limits"),
    17: Row("tiny chunks", (f"{RECEIVING}::test_many_tiny_chunks_are_handled_in_time",)),
    18: Row(
        "smuggled requests",
        (f"{SERVING}::test_what_is_not_http_is_answered_once", f"{RECEIVING}::test_a_request_behind_a_large_body_is_not_eaten",
         f"{RECEIVING}::test_malformed_chunks_are_a_clear_error", "unit/test_http_express.py::test_everything_else_goes_the_ordinary_way",
         "unit/test_http_express.py::test_every_other_put_goes_the_ordinary_way"),
        waits="not tried behind a real proxy",
    ),
    19: Row(
        "slow clients",
        (f"{SERVING}::test_slow_heads_are_cut_off", f"{SERVING}::test_idle_connections_are_closed",
         f"{SERVING}::test_readers_that_do_not_read_are_cut_off", f"{SERVING}::test_others_are_not",
         f"{RECEIVING}::test_bodies_that_stall_are_ended"),
    ),
    20: Row("compressed bodies", (f"{HOSTILE}::test_compressed_bodies_are_refused", f"{RECEIVING}::test_what_the_head_says_is_checked_first")),
    21: Row(
        "names in headers",
        ("unit/test_http_disposition.py::test_no_name_escapes_its_quotes",
         "unit/test_http_disposition.py::test_two_kinds_of_reader_see_the_name", "fronts/api/test_content.py::test_names_stay_names",
         f"{SENDING}::test_names_are_headers_only", f"{HOSTILE}::test_text_of_headers_is_never_echoed"),
    ),
    22: Row("files that are pages", ("fronts/api/test_content.py::test_whole",), waits=f"a content origin and payloads in a browser: {WEB}"),
    23: Row("scripts by parameters", waits=WEB),
    24: Row("scripts by names", (f"{PEOPLE}::test_device_names_are_made_fit_to_show",
                                 f"{LOCAL}::test_S24_no_text_of_the_page_is_read_as_html",
                                 f"{BROWSER}::test_S24_names_are_text_wherever_they_are_shown"), waits=WEB),
    25: Row("content policy", waits=WEB),
    26: Row("requests forged by sites", (f"{HOSTILE}::test_messages_are_json", f"{ISYNC}::test_other_sites_are_refused_on_every_call"), waits=f"tokens of pages: {WEB}"),
    27: Row("cookies", (f"{ISYNC}::test_the_cookie",), waits=f"isync's so far; {WEB}"),
    28: Row("foreign origins", (f"{HOSTILE}::test_another_origin_gets_nothing",)),
    29: Row("forwarded headers", (f"{SERVING}::test_forwarded_addresses_are_believed_from_proxies_only",
                              "fronts/api/test_accounts_api.py::test_a_spoofed_address_is_the_same_guesser")),
    30: Row("redirects", waits=f"none are sent so far; {WEB}"),
    31: Row("caches", ("fronts/api/test_content.py::test_whole",)),
    32: Row("patterns that never end", waits="search and ignore rules do not exist yet"),
    33: Row("secrets in addresses", (f"{SERVING}::test_the_access_log_keeps_secrets", "unit/test_http_routing.py::test_secret_parameters_make_the_route_confidential")),
    34: Row(
        "errors that show our inside",
        (f"{SERVING}::test_a_broken_handler_shows_nothing", f"{HOSTILE}::test_a_failure_inside_says_nothing_of_our_inside",
         f"{HOSTILE}::test_a_failure_in_front_says_nothing_either", "unit/test_roots.py::test_what_is_told_of_an_away_root_names_no_folder"),
    ),
    35: Row("floods of log lines", (f"{SERVING}::test_bad_cookies_do_not_flood_the_log",)),
    36: Row("XML bombs", waits=DAV),
    37: Row("endless depth", waits=DAV),
    38: Row("locks", waits=DAV),
    39: Row("destinations", waits=DAV),
    40: Row("another way to log in", (f"{RIGHTS}::test_other_credentials", f"{DRIVE_RIGHTS}::test_a_session_says_who_and_nothing_else",
                                      f"{RIGHTS}::test_nobody"), waits=FRONTS),
    41: Row("fetching by address", absent="the server fetches nothing"),
    42: Row("statements made of values", ("fronts/api/test_accounts_api.py::test_absurd_users",)),
    43: Row(
        "guessing passwords",
        (f"{ACCOUNTS}::test_a_thousand_guesses_reach_ten_hashes", f"{ACCOUNTS}::test_one_address_guesses_ten_times_over_all_names",
         "unit/test_throttle.py::test_no_fifteen_minutes_see_two_full_windows", f"{ACCOUNT_ROWS}::test_tries_side_by_side_count"),
        waits=FRONTS,
    ),
    44: Row("counters that vanish", (f"{ACCOUNT_ROWS}::test_counters_survive_a_restart",)),
    45: Row("which users exist", (f"{ACCOUNTS}::test_an_unknown_user_looks_like_a_wrong_password",
                                  "unit/test_roots.py::test_names_are_not_tried_without_end")),
    46: Row("weak hashes", (f"{ACCOUNTS}::test_the_default_hash_is_strong", f"{ACCOUNTS}::test_a_weak_hash_is_made_anew_at_login",
                            f"{PEOPLE}::test_other_passwords_are_refused")),
    47: Row("hashing as a load", (f"{ACCOUNTS}::test_a_crowd_is_told_to_come_back",)),
    48: Row("forged JWTs", (f"{DITTO_AUTH}::test_no_forged_token_is_anybodys", f"{DITTO_AUTH}::test_a_changed_letter_is_noticed")),
    49: Row(
        "sessions that live on",
        (f"{ACCOUNTS}::test_what_ends_a_login_ends_it_at_once", f"{ACCOUNTS}::test_a_check_under_way_does_not_outlive_the_revocation",
         f"{RIGHTS}::test_what_is_taken_away_while_bytes_come_in", "fronts/api/test_feed.py::test_what_is_taken_away_ends_the_wait",
         "fronts/api/test_express.py::test_what_was_taken_away_is_gone_at_once", f"{PI_LOGINS}::test_it_ends_with_its_device",
         f"{DRIVE}::test_what_ends_a_login_ends_it_at_once", "fronts/netdrive/test_together.py::test_rights_that_are_taken_end_an_upload",
         f"{DITTO_AUTH}::test_what_ends_a_login_ends_it_at_once"),
    ),
    50: Row("guessable tokens", (f"{ACCOUNTS}::test_no_secret_is_stored_or_shown", f"{ACCOUNTS}::test_other_tokens_open_nothing",
                                  f"{DRIVE}::test_sessions_outlive_the_server_and_are_not_stored")),
    51: Row("second factor", absent="none is offered"),
    52: Row("first run", ("unit/test_cli_first.py::test_the_first_password_is_kept_for_the_owner_only",
                          "unit/test_cli_first.py::test_generated_passwords_are_long_and_different",
                          f"{ACCOUNTS}::test_sign_up_is_closed_unless_opened")),
    53: Row("fields that make one more", (f"{RIGHTS}::test_fields_that_are_not_yours_are_no_fields",)),
    54: Row("other people's ids", (f"{RIGHTS}::test_everybody", f"{RIGHTS}::test_ids_of_another_root_in_a_body",
                                   "fronts/api/test_repeating.py::test_keys_are_ones_own")),
    55: Row("cached rights", (f"{DRIVE_RIGHTS}::test_rights_that_are_taken_are_gone_at_once",
                              "unit/test_roots.py::test_rights_change_at_once", f"{RIGHTS}::test_rights_that_are_taken_end_at_once")),
    56: Row("hooks", absent="no command of anybody is run"),
    57: Row("people who left", ("unit/test_admin.py::test_a_removed_user_is_out_and_the_files_stay",
                                f"{ACCOUNT_ROWS}::test_removing_an_account_takes_its_devices_and_rights"), waits=SHARES),
    58: Row("what was done by whom", waits="the log is not append-only"),
    59: Row("guessing links", waits=SHARES),
    60: Row("side doors of links", waits=SHARES),
    61: Row("siblings of a shared file", waits=SHARES),
    62: Row("links by name", waits=SHARES),
    63: Row("links nobody sees", waits=SHARES),
    64: Row("rights", (f"{FILES}::test_readers_read_and_change_nothing", f"{RIGHTS}::test_everybody"), waits=f"rights of links: {SHARES}"),
    65: Row("drop boxes", waits=SHARES),
    66: Row("expiry", waits=SHARES),
    67: Row("sharing on", waits=SHARES),
    68: Row("archives of huge folders", waits=SHARES),
    69: Row("passwords of links", waits=SHARES),
    70: Row("robots and previews", waits=SHARES),
    71: Row("lengths of frames", ("unit/test_packs.py::test_limits", f"{TCP_STREAM}::test_a_slow_disk_holds_the_sender_back",
                                  f"{PI_FRAMES}::test_lengths")),
    72: Row(
        "half frames",
        (f"{TCP_BOTH}::test_S72_a_thousand_drips_hold_nobody_up", f"{TCP_BOTH}::test_S72_a_stranger_is_not_silent_for_long",
         f"{TCP_SERVING}::test_a_thousand_dripping_clients", f"{TCP_SERVING}::test_one_address_has_so_many",
         f"{TCP_SERVING}::test_all_together_too", f"{TCP_SERVING}::test_whoever_does_not_go_on_is_closed",
         f"{TCP_STREAM}::test_a_head_that_drips", f"{TCP_STREAM}::test_a_body_that_drips",
         f"{TCP_STREAM}::test_a_reader_that_stops_reading_is_cut", f"{TCP_STREAM}::test_a_user_has_so_many",
         f"{DRIVE_BYTES}::test_who_says_nothing_is_ended", f"{DRIVE_BYTES}::test_a_head_that_crawls",
         f"{DRIVE_BYTES}::test_a_body_that_crawls", f"{DRIVE_BYTES}::test_connections_of_a_user_are_counted",
         f"{PI_FRAMES}::test_a_longer_one", f"{PI_FRAMES}::test_half_a_head", f"{PI_FRAMES}::test_peers_that_leave"),
    ),
    73: Row("odd JSON", (f"{HOSTILE}::test_absurd_bodies", f"{HOSTILE}::test_absurd_numbers_in_bodies",
                         "unit/test_packs.py::test_a_header_not_of_its_form_is_refused",
                         "unit/test_wire_netdrive_json.py::test_what_is_refused", "unit/test_wire_netdrive_json.py::test_depth",
                         "unit/test_wire_netdrive_fuzz.py::test_damaged_streams")),
    74: Row("orders before login", ("fronts/netdrive/test_states.py::test_S74_any_order_of_messages",
                                    f"{DRIVE_BYTES}::test_it_learns_nothing")),
    75: Row("passwords in the clear", (f"{SERVER}::test_plain_http_needs_a_word",
                                     f"{TCP_BOTH}::test_S75_a_password_is_not_taken_in_the_clear",
                                     f"{TCP_BOTH}::test_S75_S102_listening_in_plain_beyond_this_machine_needs_a_word",
                                     f"{TCP_SERVING}::test_who_is_too_plain", f"{DRIVE_BYTES}::test_plain_from_elsewhere_is_refused",
                                     f"{TCP_SERVING}::test_both_on_one_port",
                                     f"{PI_FRAMES}::test_plain_from_elsewhere")),
    76: Row("frames out of step", (f"{TCP_STREAM}::test_every_cut_of_a_short_talk",
                                   f"{TCP_STREAM}::test_bodies_of_all_sizes_arrive_in_order",
                                   f"{DRIVE_BYTES}::test_split_at_every_byte", f"{DRIVE_BYTES}::test_answers_come_in_order",
                                   f"{DRIVE_BYTES}::test_no_nul_behind_a_block",
                                   f"{PI_FRAMES}::test_many_long_ones_behind_each_other")),
    77: Row("floods of streams"),
    78: Row("deep messages", ("fronts/ditto/test_random.py::test_random_requests",)),
    79: Row("uploads without end"),
    80: Row("methods without a login", ("fronts/ditto/test_calls.py::test_nothing_is_open_by_oversight",)),
    81: Row("details of errors"),
    82: Row("limits that differ by front", (f"{PI_TROUBLE}::test_the_quota",), waits=FRONTS),
    83: Row("other users of the machine", (f"{SERVING}::test_the_owners_socket", f"{PORTS}::test_no_port_is_open_unless_asked_for",
                                           f"{PORTS}::test_another_user_cannot_reach_the_sockets",
                                           f"{PORTS}::test_another_user_gets_nothing_at_a_port",
                                           f"{PORTS}::test_another_user_hears_nothing_at_a_port",
                                           f"{PORTS}::test_who_has_no_keys_gets_nothing",
                                           f"{MESSAGES}::test_the_sockets_are_the_users_alone",
                                           f"{WIKI}::test_json_on_a_port_is_undefined",
                                           "unit/test_places.py::test_a_session_folder_that_is_open_to_others_is_not_used")),
    84: Row("pickled messages", (f"{MESSAGES}::test_a_wrong_order_is_refused",)),
    85: Row("the library's own holes", (f"{PORTS}::test_an_old_libzmq_is_refused", f"{PORTS}::test_half_open_peers",
                                        f"{PORTS}::test_a_frame_too_long_ends_its_connection",
                                        f"{MESSAGES}::test_too_much_is_not_taken")),
    86: Row("pages that talk to local ports", (f"{LOCAL}::test_S86_only_its_own_name_is_answered",
                                                f"{LOCAL}::test_S86_other_origins_change_nothing",
                                                f"{LOCAL}::test_S86_a_link_or_picture_elsewhere_steers_nothing",
                                                f"{LOCAL}::test_S86_both_secrets_are_needed",
                                                f"{LOCAL}::test_S86_old_orders_want_name_and_password",
                                                f"{LOCAL}::test_it_listens_on_loopback_only",
                                                f"{BROWSER}::test_S86_a_page_of_another_origin_neither_reads_nor_steers",
                                                f"{BROWSER}::test_S86_our_own_page_could", f"{PORTS}::test_a_web_page_cannot_order")),
    87: Row("malformed messages", (f"{PORTS}::test_what_is_no_zeromq", f"{PORTS}::test_many_frames_have_no_answer",
                                   f"{PORTS}::test_a_message_that_never_ends_is_cut_with_others",
                                   f"{MESSAGES}::test_a_subscriber_that_never_reads",
                                   "unit/test_wire_netdrive_fuzz.py::test_damaged_streams",
                                   "unit/test_wire_pydio.py::test_any_bytes_are_read_as_something_or_nothing")),
    88: Row("addresses that open programs", (f"{CLIENT}::test_what_is_no_address_of_ours_is_refused",
                                             f"{PEOPLE_HERE}::test_S88_other_addresses_are_refused",
                                             f"{FOUND}::test_what_becomes_none")),
    89: Row("bad TLS", (f"{CLIENT}::test_bad_tls_is_never_accepted", f"{REMOTE}::test_a_redirect_gets_no_credentials",
                        f"{SERVER}::test_tls_from_server_to_client",
                        f"{PEOPLE_HERE}::test_a_bad_certificate_is_not_gone_around")),
    90: Row("credentials of the client", (f"{PEOPLE_HERE}::test_S90_S91_the_password_is_nowhere",
                                          "unit/test_client_logins.py::test_a_token_lies_in_the_keyring",
                                          "unit/test_cli_first.py::test_a_login_is_remembered_for_its_owner_only",
                                          f"{SYNC}::test_the_login_is_kept_and_the_password_is_not")),
    91: Row("the client's log", (f"{PEOPLE_HERE}::test_S90_S91_the_password_is_nowhere",
                                 "unit/test_client_logins.py::test_a_login_does_not_show_its_token",
                                 f"{SYNC}::test_the_password_is_not_seen_in_the_process_list",), waits="names of files stand in messages"),
    92: Row("hostile server", (f"{FOUND}::test_noise_on_the_port_stops_nobody", f"{FOUND}::test_a_name_is_only_shown",
                               f"{REMOTE}::test_a_listing_that_does_not_get_on_is_refused", f"{REMOTE}::test_limits_are_never_more_than_ours",
                               f"{REMOTE}::test_a_pack_that_is_not_what_was_asked_for", f"{CLIENT}::test_a_drip_ends_with_a_deadline",
                               f"{CLIENT}::test_any_head_is_read_or_refused"), waits="no fuzzing of whole sessions"),
    93: Row("planted files", (f"{TREE}::test_a_planted_private_folder_is_refused", f"{TREE}::test_a_planted_staging_link_is_not_followed",
                              f"{RACES}::test_a_hidden_name_used_by_somebody_is_told")),
    94: Row("places programs are loaded from", ("unit/test_cli_service.py::test_a_unit_restarts_waits_for_its_disk_and_is_hardened",),
            waits="waits for packages"),
    95: Row("pictures that burst", (f"{WORKERS}::test_damaged_files_are_broken_or_read", f"{WORKERS}::test_what_unpacks_without_end_is_refused",
                                    f"{WORKERS}::test_a_picture_of_ten_milliard_pixels_is_refused_at_once")),
    96: Row("playlists that fetch", (f"{WORKERS}::test_S96_nothing_else_is_opened",)),
    97: Row("secrets in logs", (f"{SERVER}::test_passwords_are_never_echoed", f"{SETTINGS}::test_a_secret_never_shows_itself",
                                f"{ACCOUNT_ROWS}::test_nothing_secret_shows", f"{PI_ACCOUNTS}::test_no_password_is_in_the_log")),
    98: Row("names in logs", ("fronts/shell/test_shell.py::test_names_cannot_draw_on_the_terminal",
                              "unit/test_cli_display.py::test_a_name_cannot_draw_on_the_terminal",)),
    99: Row("metadata tools", absent="none is used"),
    100: Row("workers that break out", (f"{WORKERS}::test_S100_a_worker_can_neither_open_nor_connect",
                                        f"{WORKERS}::test_a_worker_sees_nothing_of_the_servers_environment"),
             waits="a user of their own"),
    101: Row("weak TLS", (f"{SERVING}::test_encrypted_answers_ask_to_stay_encrypted",
                          f"{SERVING}::test_unusable_certificates_are_one_clear_line",
                          f"{TCP_SERVING}::test_old_tls_is_refused", f"{TCP_SERVING}::test_no_protocol_is_named",
                          f"{TCP_SERVING}::test_a_renewed_certificate"), waits="no scan by a tool from outside"),
    102: Row("plain fronts left open", (f"{SERVER}::test_plain_http_needs_a_word",
                                        f"{TCP_BOTH}::test_S75_S102_listening_in_plain_beyond_this_machine_needs_a_word",
                                        f"{SETTINGS}::test_defaults_are_those_the_guide_states")),
    103: Row("secrets in settings", (f"{SETTINGS}::test_a_secret_in_a_file_open_to_others_is_refused",
                                     f"{SETTINGS}::test_a_private_key_open_to_others_is_refused"), waits="backups are sealed, not encrypted"),
    104: Row("ports for administration", (f"{SERVING}::test_the_owners_socket", "unit/test_admin.py::test_only_admins_and_the_operator_give_orders")),
    105: Row("holes of dependencies", ("unit/test_packaging.py::test_each_requirement_is_pinned",
                                       "unit/test_packaging.py::test_each_pin_has_its_hashes_and_no_registry_is_named"), waits="an audit needs internet: its command is in docs/design/security.md"),
    106: Row("object stores", waits="waits for S3"),
    107: Row("forged backups", ("unit/test_backup.py::test_damage_and_forgery_are_refused", "unit/test_backup.py::test_a_restore_never_overwrites")),
    108: Row("races for room", ("fronts/api/test_uploads_api.py::test_fifty_at_the_edge",
                                "fronts/api/test_uploads_api.py::test_whole_files_and_packs_at_the_edge",
                                "unit/test_service_committer.py::test_the_quota_holds_however_many_come")),
    109: Row("counts without end", ("contracts/test_migrations.py::test_entries_of_an_older_file_are_counted",)),
    110: Row("digests as an oracle", (f"{RIGHTS}::test_content_known_to_others_is_not_known_to_you",
                                      f"{UPLOADS}::test_nobody_learns_what_others_have",
                                      f"{DRIVE_RIGHTS}::test_known_content_is_known_to_who_may_read_it")),
    111: Row("trash", (f"{RIGHTS}::test_trash_is_for_those_who_may_write", f"{FILES}::test_the_trash_of_others_is_not_for_readers",
                       f"{FILES}::test_purging_leaves_nothing")),
    112: Row("schemas", (f"{SERVER}::test_data_of_a_newer_version", "contracts/test_catalogue.py::test_a_newer_file_is_refused_untouched",
                         "contracts/test_catalogue.py::test_the_schema_is_what_the_migrations_make")),
}  # fmt: skip

_NAME = re.compile(r"test_((?:S\d+_)+)\w+")


@cache
def functions(path: Path) -> frozenset[str]:
    """Names of the tests in a file, those in classes included."""
    return frozenset(name for name, _ in _tests_in(path))


def _tests_in(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name, ast.get_docstring(node) or ""


@cache
def own_tests() -> tuple[tuple[str, str, tuple[int, ...]], ...]:
    """Every test of this folder: where it is, its promise, and the rows its name bears."""
    return tuple(_own_tests())


def _own_tests() -> Iterator[tuple[str, str, tuple[int, ...]]]:
    for path in sorted(HERE.glob("test_*.py")):
        for name, promise in _tests_in(path):
            found = _NAME.fullmatch(name)
            rows = tuple(int(each[1:]) for each in found[1].rstrip("_").split("_")) if found else ()
            yield f"{path.relative_to(TESTS)}::{name}", promise, rows


def all_tests() -> dict[int, tuple[str, ...]]:
    """All tests of each row, here and elsewhere."""
    found: dict[int, list[str]] = defaultdict(list)
    for where, _, rows in own_tests():
        for row in rows:
            found[row].append(where)
    return {number: (*row.elsewhere, *found[number]) for number, row in ROWS.items()}


def table() -> list[str]:
    """One line for each row: number, whether it must hold, state, words, how many tests, what it waits for."""
    tests = all_tests()
    return [
        f"S{number:02d} {'S' if number in SHOULD else 'M'} {row.state(tests[number]).value:8} {row.words:36} "
        f"{len(tests[number]):2} tests  {row.waits or row.absent}".rstrip()
        for number, row in ROWS.items()
    ]


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in table())
