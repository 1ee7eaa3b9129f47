// Package report is what the virtual machine of the lab tells its host.
package report

// Result is one line on the serial port: a test that ended, or the end of all.
type Result struct {
	Test    string  `json:"test,omitempty"`
	Failed  bool    `json:"failed"`
	Log     string  `json:"log"` // what happened, for people
	Seconds float64 `json:"seconds"`
	Done    bool    `json:"done,omitempty"`
}
