package queue

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// streams sets up what the sweep needs on the server; what is there already
// stays.
func (h *hub) streams(ctx context.Context) (jetstream.Consumer, error) {
	name := h.plan.Name
	if h.Fresh {
		if err := h.clear(ctx); err != nil {
			return nil, err
		}
	}
	_, err := h.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: pointStream(name), Subjects: []string{pointSubject(name, "*", "*")}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
		MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, DiscardNewPerSubject: true, // a point is there once
	})
	if err != nil {
		return nil, err
	}
	for _, c := range h.ann.Classes {
		_, err := h.js.CreateOrUpdateConsumer(ctx, pointStream(name), jetstream.ConsumerConfig{
			Durable: consumerName(c), FilterSubject: pointSubject(name, c, "*"), AckPolicy: jetstream.AckExplicitPolicy, AckWait: h.AckWait, MaxAckPending: -1,
		})
		if err != nil {
			return nil, err
		}
	}
	_, err = h.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: resultStream(name), Subjects: []string{resultSubject(name, "*")}, Storage: jetstream.FileStorage, MaxMsgsPerSubject: 1,
	})
	if err != nil {
		return nil, err
	}
	if err := h.files(ctx); err != nil {
		return nil, err
	}
	return h.js.CreateOrUpdateConsumer(ctx, resultStream(name), jetstream.ConsumerConfig{
		Durable: "hub", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 10 * time.Second,
	})
}

// files puts the inputs on the server, for workers that lack them.
func (h *hub) files(ctx context.Context) error {
	seen := map[string]bool{}
	var store jetstream.ObjectStore
	for _, p := range h.plan.Points {
		for _, b := range p.Input.Blobs() {
			if seen[b.Digest] {
				continue
			}
			seen[b.Digest] = true
			if store == nil {
				var err error
				store, err = h.js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: fileBucket(h.plan.Name), Storage: jetstream.FileStorage})
				if err != nil {
					return err
				}
			}
			if err := putFile(ctx, store, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// publish queues the points of todo that are not in the queue, takes others out of
// it, and tells the workers.
func (h *hub) publish(ctx context.Context, todo []int) error {
	name := h.plan.Name
	want := map[string]int{}
	for _, i := range todo {
		class, err := scheme(h.plan.Points[i])
		if err != nil {
			return err
		}
		want[pointSubject(name, class, h.plan.Keys[i])] = i
	}
	stream, err := h.js.Stream(ctx, pointStream(name))
	if err != nil {
		return err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(pointSubject(name, "*", "*")))
	if err != nil {
		return err
	}
	for s := range info.State.Subjects {
		if _, ok := want[s]; !ok {
			if err := stream.Purge(ctx, jetstream.WithPurgeSubject(s)); err != nil {
				return err
			}
		}
	}
	for s, i := range want {
		if _, there := info.State.Subjects[s]; there {
			continue
		}
		data, err := pack(job{h.plan.Keys[i], h.plan.Points[i]})
		if err != nil {
			return err
		}
		if _, err := h.js.Publish(ctx, s, data); err != nil {
			return err
		}
	}
	b, err := json.Marshal(h.ann)
	if err != nil {
		return err
	}
	kv, err := h.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: sweepsBucket})
	if err != nil {
		return err
	}
	_, err = kv.Put(ctx, name, b)
	return err
}

// clear takes the sweep off the server.
func (h *hub) clear(ctx context.Context) error {
	name := h.plan.Name
	kv, err := h.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: sweepsBucket})
	if err == nil {
		err = kv.Delete(ctx, name)
	}
	for _, s := range []string{pointStream(name), resultStream(name)} {
		if e := h.js.DeleteStream(ctx, s); err == nil && !isOneOf(e, jetstream.ErrStreamNotFound) {
			err = e
		}
	}
	if e := h.js.DeleteObjectStore(ctx, fileBucket(name)); err == nil && !isOneOf(e, jetstream.ErrStreamNotFound, jetstream.ErrBucketNotFound) {
		err = e
	}
	return err
}
