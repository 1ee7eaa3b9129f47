package core

// echoUnit sends its payload back.
type echoUnit struct{ left int } // bytes still to come

func (u *echoUnit) start(c *command) { u.left = c.rows }

// feedEcho takes a beat; it is pushed in the next cycle. What the last beat
// holds beyond the payload does not go back.
func (e *Engine) feedEcho(data *Beat, last bool) {
	u := &e.echo
	if !last {
		u.left -= e.beatBytes
		e.payload.schedule(e.now+1, e.beatBytes, 0).data = *data
		return
	}
	en := e.payload.schedule(e.now+1, u.left, entLast)
	en.data = *data
	en.data.cut(u.left)
}
