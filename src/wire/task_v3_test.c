#include "base/test.h"

#include "base/mem.h"
#include "task_v2.pb-c.h"
#include "task_v3.pb-c.h"

#define PAIR(name)                                                  \
	{                                                           \
		&containerd__task__v2__##name##__descriptor,        \
			&containerd__task__v3__##name##__descriptor \
	}

static const struct {
	const ProtobufCMessageDescriptor *v2, *v3;
} pairs[] = {
	PAIR(state_request),
	PAIR(state_response),
	PAIR(create_task_request),
	PAIR(create_task_response),
	PAIR(start_request),
	PAIR(start_response),
	PAIR(delete_request),
	PAIR(delete_response),
	PAIR(pids_request),
	PAIR(pids_response),
	PAIR(pause_request),
	PAIR(resume_request),
	PAIR(checkpoint_task_request),
	PAIR(kill_request),
	PAIR(exec_process_request),
	PAIR(resize_pty_request),
	PAIR(close_iorequest),
	PAIR(update_task_request),
	PAIR(wait_request),
	PAIR(wait_response),
	PAIR(stats_request),
	PAIR(stats_response),
	PAIR(connect_request),
	PAIR(connect_response),
	PAIR(shutdown_request),
};

TEST(version_3_has_the_messages_of_version_2)
{
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		CHECK_EQ(pairs[i].v2->n_fields, pairs[i].v3->n_fields);
		CHECK_EQ(pairs[i].v2->sizeof_message, pairs[i].v3->sizeof_message);
		for (unsigned int f = 0; f < pairs[i].v2->n_fields; f++) {
			const ProtobufCFieldDescriptor *a = &pairs[i].v2->fields[f],
						       *b = &pairs[i].v3->fields[f];

			CHECK_STR(a->name, b->name);
			CHECK_EQ(a->id, b->id);
			CHECK_EQ(a->type, b->type);
			CHECK_EQ(a->label, b->label);
			CHECK_EQ(a->offset, b->offset);
		}
	}
}

TEST_MAIN()
